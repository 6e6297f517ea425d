import { Agent, request } from 'undici'

/** One whole answer. */
export type Answer = {
  readonly status: number
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly body: Buffer
}

export type Ask = {
  readonly method: 'GET' | 'HEAD' | 'PUT' | 'POST' | 'DELETE' | 'PATCH'
  /** Path and query as sent, from the slash on. */
  readonly target: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
  readonly signal?: AbortSignal
}

/** Longest wait of a client for the next byte, ms: a hanging server fails the test. */
const CLIENT_TIMEOUT_MS = 60_000

const CONNECTIONS_MAX = 64

/**
 * A client of the S3 API that signs nothing and tries nothing twice: what it is told is what one
 * request came to.
 */
export class S3Client {
  readonly #url: string
  readonly #agent = new Agent({
    connections: CONNECTIONS_MAX,
    headersTimeout: CLIENT_TIMEOUT_MS,
    bodyTimeout: CLIENT_TIMEOUT_MS,
  })

  constructor(url: string) {
    this.#url = url
  }

  /** @returns undefined when the connection broke, or never was, before the answer was whole */
  async ask({ method, target, headers, body, signal }: Ask): Promise<Answer | undefined> {
    try {
      const answer = await request(`${this.#url}${target}`, {
        method,
        dispatcher: this.#agent,
        headers: { ...headers },
        body: body ?? null,
        signal: signal ?? null,
      })
      const bytes = Buffer.from(await answer.body.arrayBuffer())
      return { status: answer.statusCode, headers: answer.headers, body: bytes }
    } catch (error) {
      if (isBroken(error)) return undefined
      throw new Error(`${method} ${target} came to nothing`, { cause: error })
    }
  }

  put(path: string, body: Buffer): Promise<Answer | undefined> {
    return this.ask({ method: 'PUT', target: `/${path}`, body })
  }

  get(path: string, range?: { readonly first: number; readonly last: number }) {
    const headers: Record<string, string> =
      range === undefined ? {} : { range: `bytes=${range.first}-${range.last}` }
    return this.ask({ method: 'GET', target: `/${path}`, headers })
  }

  delete(path: string): Promise<Answer | undefined> {
    return this.ask({ method: 'DELETE', target: `/${path}` })
  }

  /** Drops the cached copy of an object, by AIStore's API. */
  evict(path: string): Promise<Answer | undefined> {
    return this.ask({
      method: 'DELETE',
      target: `/v1/objects/${path}?provider=aws`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action: 'evict-listrange', value: null, name: '' }),
    })
  }

  copy(from: string, to: string): Promise<Answer | undefined> {
    const headers = { 'x-amz-copy-source': `/${from}` }
    return this.ask({ method: 'PUT', target: `/${to}`, headers })
  }

  /** @returns the upload's id; undefined when the request failed */
  async createUpload(path: string): Promise<string | undefined> {
    const answer = await this.ask({ method: 'POST', target: `/${path}?uploads` })
    if (answer?.status !== 200) return undefined
    return /<UploadId>([^<]+)</.exec(answer.body.toString())?.[1]
  }

  /** @returns the tag of the part; undefined when the request failed */
  async writePart(
    upload: { readonly path: string; readonly uploadId: string },
    partNumber: number,
    body: Buffer,
  ): Promise<string | undefined> {
    const target = `/${upload.path}?partNumber=${partNumber}&uploadId=${encodeURIComponent(upload.uploadId)}`
    const answer = await this.ask({ method: 'PUT', target, body })
    const etag = answer?.headers['etag']
    return answer?.status === 200 && typeof etag === 'string' ? etag : undefined
  }

  completeUpload(
    upload: { readonly path: string; readonly uploadId: string },
    etags: readonly string[],
  ): Promise<Answer | undefined> {
    const parts = etags.map(
      (etag, index) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>${etag}</ETag></Part>`,
    )
    const body = `<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`
    const target = `/${upload.path}?uploadId=${encodeURIComponent(upload.uploadId)}`
    return this.ask({ method: 'POST', target, body })
  }

  /** A native bucket, or settings of one that is known, by AIStore's API. */
  async changeBucket(
    name: string,
    change: {
      readonly action: 'create-bck' | 'set-bprops'
      readonly value: unknown
      /** By default that of the remote bucket for settings. */
      readonly provider?: 'ais' | 'aws'
    },
  ): Promise<void> {
    const { action, value } = change
    const provider = change.provider ?? (action === 'create-bck' ? 'ais' : 'aws')
    const answer = await this.ask({
      method: action === 'create-bck' ? 'POST' : 'PATCH',
      target: `/v1/buckets/${name}?provider=${provider}`,
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ action, value, name: '' }),
    })
    if (answer?.status !== 200) {
      throw new Error(`${action} ${name}: ${answer?.status} ${answer?.body}`)
    }
  }

  /** Drops every connection. */
  close(): Promise<void> {
    return this.#agent.destroy()
  }
}

/** A success, and the connection outlived it. */
export function isDone(answer: Answer | undefined): boolean {
  return answer !== undefined && answer.status >= 200 && answer.status < 300 && !isError(answer)
}

/** CompleteMultipartUpload and copies may say 200 first and fail in the document (S3 API). */
function isError(answer: Answer): boolean {
  return answer.body.length < 4096 && answer.body.includes('<Error>')
}

const BROKEN = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'EPIPE',
  'UND_ERR_SOCKET',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_DESTROYED',
  'UND_ERR_CLOSED',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_ABORTED',
])

function isBroken(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  if ('code' in error && typeof error.code === 'string' && BROKEN.has(error.code)) return true
  return error.name === 'AbortError' || isBroken(error.cause)
}
