/** Requests to the servers under test, by the S3 API or AIStore's, over connections that are kept. */
import { encodePath } from '@forebay/s3/sigv4/canonical'
import { type Credentials, signRequest } from '@forebay/s3/sigv4/sign'
import { REGION } from '../bench/requests.ts'
import { type AnswerHead, BrokenExchange, Connection, headerOf } from './connection.ts'
import type { Span } from './keys.ts'

/** Redirects that are followed: an AIStore gateway sends each request on to a target. */
const HOPS_MAX = 2

/** Most bytes of an answer that is read as text. */
const TEXT_BYTES_MAX = 8 * 1024 ** 2

export type DoorOptions = {
  readonly api: 's3' | 'ais'
  /** Taken in turn. */
  readonly endpoints: readonly URL[]
  readonly bucket: string
  /** AIStore's word for where the bucket is: `ais`, `aws`, `gcp` or `azure`. */
  readonly provider: string
  /** S3: absent, requests go unsigned. */
  readonly credentials?: Credentials | undefined
  /** AIStore: the bearer's token. */
  readonly token?: string | undefined
  readonly timeoutMs: number
  readonly insecure: boolean
}

/** One request of the workload. */
export type Ask = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE'
  /** Path and query, encoded. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: RequestBody | undefined
  readonly onBody?: (bytes: Buffer) => void
}

export type RequestBody = {
  readonly sizeBytes: number
  /** A fresh iteration for every time that the body is sent. */
  readonly pieces: () => Iterator<Buffer, void>
}

/** An answer, with the time of its first byte by `performance.now()`. */
export type Answer = AnswerHead

export class Door {
  readonly options: DoorOptions
  readonly #idle = new Map<string, Connection[]>()
  readonly #all = new Set<Connection>()
  #turn = 0
  #isClosed = false

  constructor(options: DoorOptions) {
    this.options = options
  }

  /** Sends a request and follows redirects. @throws BrokenExchange when it comes to nothing */
  async ask(ask: Ask): Promise<Answer> {
    const { endpoints } = this.options
    const first = endpoints[this.#turn++ % endpoints.length]
    if (first === undefined) throw new Error('there is no endpoint')
    let url = first
    let target = ask.target
    for (let hop = 0; ; hop += 1) {
      const answer = await this.#askOne(url, { ...ask, target })
      const location = answer.status >= 301 && answer.status <= 308 && headerOf(answer, 'location')
      if (typeof location !== 'string' || location === '' || hop === HOPS_MAX) return answer
      url = new URL(location, url)
      target = url.pathname + url.search
    }
  }

  /** The same, with the body of the answer as text. */
  async askText(ask: Ask): Promise<{ readonly status: number; readonly text: string }> {
    const parts: Buffer[] = []
    let sizeBytes = 0
    const { status } = await this.ask({
      ...ask,
      onBody: (bytes) => {
        sizeBytes += bytes.length
        if (sizeBytes <= TEXT_BYTES_MAX) parts.push(bytes)
      },
    })
    return { status, text: Buffer.concat(parts).toString() }
  }

  /** Path and query of an object. */
  objectTarget(name: string, query = ''): string {
    const { api, bucket, provider } = this.options
    if (api === 's3') return `/${bucket}/${encodePath(name)}${query === '' ? '' : `?${query}`}`
    return `/v1/objects/${bucket}/${encodePath(name)}?provider=${provider}${query === '' ? '' : `&${query}`}`
  }

  /** One page of the listing. */
  list(prefix: string, token = ''): Ask {
    const { api, bucket, provider } = this.options
    if (api === 's3') {
      const more = token === '' ? '' : `&continuation-token=${encodeURIComponent(token)}`
      const target = `/${bucket}?list-type=2&max-keys=1000&prefix=${encodeURIComponent(prefix)}${more}`
      return { method: 'GET', target }
    }
    const value = {
      prefix,
      props: 'name,size',
      flags: '0',
      pagesize: '1000',
      continuation_token: token,
    }
    return this.#action(
      'GET',
      { action: 'list', value },
      `/v1/buckets/${bucket}?provider=${provider}`,
    )
  }

  headBucket(): Ask {
    const { api, bucket, provider } = this.options
    if (api === 's3') return { method: 'HEAD', target: `/${bucket}` }
    return { method: 'HEAD', target: `/v1/buckets/${bucket}?provider=${provider}` }
  }

  createBucket(): Ask {
    const { api, bucket, provider } = this.options
    if (api === 's3') return { method: 'PUT', target: `/${bucket}` }
    return this.#action(
      'POST',
      { action: 'create-bck', value: null },
      `/v1/buckets/${bucket}?provider=${provider}`,
    )
  }

  removeBucket(): Ask {
    const { api, bucket, provider } = this.options
    if (api === 's3') return { method: 'DELETE', target: `/${bucket}` }
    return this.#action(
      'DELETE',
      { action: 'destroy-bck', value: null },
      `/v1/buckets/${bucket}?provider=${provider}`,
    )
  }

  /** Breaks every connection; requests under way fail. */
  close(): void {
    this.#isClosed = true
    for (const connection of this.#all) connection.close()
    this.#all.clear()
    this.#idle.clear()
  }

  #action(method: Ask['method'], action: object, target: string): Ask {
    const body = Buffer.from(JSON.stringify({ name: '', ...action }))
    return {
      method,
      target,
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: { sizeBytes: body.length, pieces: () => [body].values() },
    }
  }

  /** A connection that was kept may have been closed meanwhile: such a request is sent once more. */
  async #askOne(url: URL, ask: Ask): Promise<Answer> {
    for (;;) {
      const connection = await this.#take(url)
      const { isUsed } = connection
      try {
        return await this.#run(connection, url, ask)
      } catch (error) {
        const isStale = error instanceof BrokenExchange && error.kind === 'reset' && error.isSilent
        if (!isStale || !isUsed || this.#isClosed) throw error
      }
    }
  }

  async #run(connection: Connection, url: URL, ask: Ask): Promise<Answer> {
    const pieces = ask.body?.pieces()
    try {
      return await connection.run({
        method: ask.method,
        head: this.#render(url, ask),
        nextPiece: pieces && (() => pieces.next().value ?? undefined),
        onBody: ask.onBody,
        timeoutMs: this.options.timeoutMs,
      })
    } finally {
      if (connection.isOpen && !this.#isClosed) this.#idle.get(url.origin)?.push(connection)
      else this.#all.delete(connection)
    }
  }

  async #take(url: URL): Promise<Connection> {
    if (this.#isClosed) throw new BrokenExchange('stopped', 'the run is over')
    let idle = this.#idle.get(url.origin)
    if (idle === undefined) {
      idle = []
      this.#idle.set(url.origin, idle)
    }
    for (let kept = idle.pop(); kept !== undefined; kept = idle.pop()) {
      if (kept.isOpen) return kept
      this.#all.delete(kept)
    }
    const opened = await Connection.open(url, this.options)
    this.#all.add(opened)
    if (this.#isClosed) opened.close()
    return opened
  }

  #render(url: URL, { method, target, headers, body }: Ask): string {
    const { credentials, token } = this.options
    const sent: Record<string, string> = { host: url.host, ...headers }
    if (body !== undefined) sent['content-length'] = String(body.sizeBytes)
    if (token !== undefined) sent['authorization'] = `Bearer ${token}`
    const signature =
      credentials &&
      signRequest({
        method,
        target,
        headers: sent,
        payload: 'UNSIGNED-PAYLOAD',
        credentials,
        region: REGION,
        date: new Date(),
      })
    let text = `${method} ${target} HTTP/1.1\r\n`
    for (const name in sent) text += `${name}: ${sent[name]}\r\n`
    for (const name in signature) text += `${name}: ${signature[name]}\r\n`
    return `${text}\r\n`
  }
}

/** The header that asks for a part of an object. */
export function rangeHeader({ offset, length }: Span): Readonly<Record<string, string>> {
  return { range: `bytes=${offset}-${offset + length - 1}` }
}
