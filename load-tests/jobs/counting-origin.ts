import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

/** The one bucket that there is. */
export const BUCKET = 'remote'

/** Names of one answer of a list, as S3 has it. */
const LIST_MAX = 1000

/** Reads that are served at once; more wait, so that the origin can be saturated. */
const PLACES_DEFAULT = 64

export type OriginOptions = {
  /** Objects named `k/0000000` and so on. */
  readonly objects: number
  readonly objectBytes: number
  /** How long one read takes, ms; 0 = as fast as it goes. */
  readonly serviceMs?: number
  /** How long one page of a list takes, ms. */
  readonly listMs?: number
  /** Reads at once; the rest waits for its turn. */
  readonly places?: number
}

/**
 * An S3 store in this process that has many objects and keeps none: their bytes follow from their names.
 * Counts what is asked for, and takes a set time for each read, by so many at once.
 */
export class CountingOrigin {
  readonly url: string
  /** Pages of lists that were answered. */
  listCount = 0
  /** Reads that were answered with all bytes, by key. */
  readonly reads = new Map<string, number>()
  /** Keys that are answered with 403. */
  readonly refused = new Set<string>()
  /** Keys that were deleted. */
  readonly gone = new Set<string>()
  /** Keys from 0 on that there are or were; a test may add some behind everybody's back. */
  objects: number
  readonly #server: Server
  readonly #options: OriginOptions
  #free: number
  readonly #waiting: (() => void)[] = []

  private constructor(server: Server, port: number, options: OriginOptions) {
    this.#server = server
    this.#options = options
    this.objects = options.objects
    this.#free = options.places ?? PLACES_DEFAULT
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(options: OriginOptions): Promise<CountingOrigin> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the origin has no port')
    const origin = new CountingOrigin(server, address.port, options)
    server.on('request', (request, response) => {
      origin.#serve(request, response).catch(() => request.socket.destroy())
    })
    return origin
  }

  /** All reads that were answered. */
  get readCount(): number {
    return this.reads.values().reduce((sum, count) => sum + count, 0)
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.url)
    const key = decodeURIComponent(url.pathname.slice(BUCKET.length + 2))
    request.resume()
    if (url.searchParams.has('list-type')) {
      const { listMs = 0 } = this.#options
      if (listMs > 0) await new Promise((resolve) => setTimeout(resolve, listMs))
      return this.#list(url.searchParams, response)
    }
    if (key === '') {
      response.end()
      return
    }
    const position = positionOf(key)
    if (request.method === 'PUT' || request.method === 'DELETE') {
      return this.#change(request.method, key, response)
    }
    if (position === undefined || position >= this.objects || this.gone.has(key)) {
      return answer(response, 404, '<Error><Code>NoSuchKey</Code></Error>')
    }
    if (this.refused.has(key))
      return answer(response, 403, '<Error><Code>AccessDenied</Code></Error>')
    const { objectBytes } = this.#options
    const headers = {
      'content-length': objectBytes,
      etag: `"${etagOf(key)}"`,
      'last-modified': 'Sat, 01 Aug 2026 10:00:00 GMT',
    }
    if (request.method === 'HEAD') {
      response.writeHead(200, headers).end()
      return
    }
    await this.#takeTime()
    response.writeHead(200, headers).end(bytesOf(key, objectBytes))
    this.reads.set(key, (this.reads.get(key) ?? 0) + 1)
  }

  /** Whatever is written has the bytes that its name has; it must be the next one of all, or one that was. */
  #change(method: 'PUT' | 'DELETE', key: string, response: ServerResponse): void {
    const position = positionOf(key)
    if (position === undefined || position > this.objects) {
      answer(response, 403, '')
      return
    }
    if (method === 'DELETE') {
      this.gone.add(key)
      response.writeHead(204).end()
      return
    }
    this.gone.delete(key)
    this.objects = Math.max(this.objects, position + 1)
    response.writeHead(200, { etag: `"${etagOf(key)}"` }).end()
  }

  async #takeTime(): Promise<void> {
    const { serviceMs = 0 } = this.#options
    if (serviceMs === 0) return
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    await new Promise((resolve) => setTimeout(resolve, serviceMs))
    const next = this.#waiting.shift()
    if (next === undefined) this.#free += 1
    else next()
  }

  #list(query: URLSearchParams, response: ServerResponse): void {
    this.listCount += 1
    const { objects } = this
    const { objectBytes } = this.#options
    const token = query.get('continuation-token')
    const behind = positionOf(query.get('start-after') ?? '')
    const from = token === null ? (behind ?? -1) + 1 : Number(token)
    const wanted = Math.min(LIST_MAX, Number(query.get('max-keys') ?? LIST_MAX))
    const end = Math.min(objects, from + wanted)
    const entries: string[] = []
    for (let at = from; at < end; at++) {
      const key = keyAt(at)
      if (this.gone.has(key)) continue
      entries.push(
        `<Contents><Key>${key}</Key><LastModified>2026-08-01T10:00:00.000Z</LastModified><ETag>&quot;${etagOf(key)}&quot;</ETag><Size>${objectBytes}</Size></Contents>`,
      )
    }
    const next = end < objects ? `<NextContinuationToken>${end}</NextContinuationToken>` : ''
    const body = `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Name>${BUCKET}</Name><KeyCount>${entries.length}</KeyCount><IsTruncated>${end < objects}</IsTruncated>${next}${entries.join('')}</ListBucketResult>`
    answer(response, 200, body)
  }
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(body)
}

/** The key of the object at a position of the list. */
export function keyAt(position: number): string {
  return `k/${String(position).padStart(7, '0')}`
}

function positionOf(key: string): number | undefined {
  const match = /^k\/([0-9]{7})$/.exec(key)
  return match === null ? undefined : Number(match[1])
}

/** The bytes of an object. */
export function bytesOf(key: string, sizeBytes: number): Buffer {
  return Buffer.alloc(sizeBytes, `${key} `)
}

/** Of the name: all objects have the same size. */
function etagOf(key: string): string {
  return `${createHash('md5').update(key).digest('hex')}-1`
}
