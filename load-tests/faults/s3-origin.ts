import { createHash, randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { crc32 } from 'node:zlib'
import { sha1Of } from './bodies.ts'
import { isRefusal, type OriginFault, type Spoilable, sendSpoilt } from './origin-faults.ts'

/** Requests that an origin can be told to spoil. */
export type OriginOperation = 'put' | 'delete' | 'copy' | 'complete'

/** What an origin stores of an object. */
export type StoredObject = {
  readonly bytes: Buffer
  readonly etag: string
  readonly lastModified: Date
}

/** One mutation as it was applied; `key` is `bucket/key`. */
export type Applied = {
  readonly key: string
  /** Of its bytes; undefined for a delete. */
  readonly sha1: string | undefined
  /** By `performance.now()` of this process. */
  readonly atMs: number
}

/** The one bucket that there is. */
const BUCKET = 'remote'

type Upload = { readonly key: string; readonly parts: Map<number, StoredObject> }

type Request = {
  readonly method: string
  readonly bucket: string
  readonly key: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

type Reply = {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Buffer | string
}

/** How an origin treats one mutation. */
export type OriginBehaviour = {
  /** Applied, and then the connection breaks instead of the answer. */
  readonly dropAnswer?: boolean
  /** Between the last byte of the request and the moment in which it is applied; connected. */
  readonly delayMs?: number
  /** The same after the connection broke. Needs `dropAnswer`. */
  readonly appliedAfterMs?: number
}

/**
 * A small S3 store in this process, with one bucket, `remote`. It applies a mutation in one
 * step once its whole body has come, never a cut one, and remembers when, so that a test knows what
 * the truth was at every moment.
 */
export class S3Origin {
  readonly url: string
  readonly #server: Server
  readonly #objects = new Map<string, StoredObject>()
  readonly #uploads = new Map<string, Upload>()
  readonly applied: Applied[] = []
  /** Decides about each mutation; by default all is well. */
  behave: (operation: OriginOperation, key: string) => OriginBehaviour = () => ({})
  /** Decides what goes wrong with each request that came in whole, questions for the bucket included. */
  spoil: (request: Spoilable) => OriginFault | undefined = () => undefined
  /** Requests whose end has come in and that are not answered yet. */
  #busy = 0
  #requestCount = 0

  private constructor(server: Server, port: number) {
    this.#server = server
    this.url = `http://127.0.0.1:${port}`
  }

  static async start(): Promise<S3Origin> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      server.listen(0, '127.0.0.1', resolve)
    })
    const address = server.address()
    if (typeof address !== 'object' || address === null) throw new Error('the origin has no port')
    const origin = new S3Origin(server, address.port)
    server.on('request', (request, response) => {
      origin.#serve(request, response).catch(() => request.socket.destroy())
    })
    return origin
  }

  /** Requests that came in whole. */
  get requestCount(): number {
    return this.#requestCount
  }

  /** Goes away: connections break, new ones are refused. */
  async goDown(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#server.closeAllConnections()
    await closed
  }

  /** Comes back where it was. */
  async comeUp(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(Number(new URL(this.url).port), '127.0.0.1', resolve)
    })
  }

  /** Connections that are open. */
  connectionCount(): Promise<number> {
    return new Promise((resolve, reject) =>
      this.#server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
    )
  }

  /** What it has now, by `bucket/key`. */
  get(path: string): StoredObject | undefined {
    return this.#objects.get(path)
  }

  /** Stores behind everybody's back. */
  put(path: string, bytes: Buffer): void {
    this.#apply(path, { bytes, etag: md5(bytes), lastModified: new Date() })
  }

  /** Removes behind everybody's back. */
  remove(path: string): void {
    this.#apply(path, undefined)
  }

  /** Resolves when every request that came in whole has been applied. */
  async quiet(): Promise<void> {
    while (this.#busy > 0) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  close(): Promise<void> {
    this.#server.closeAllConnections()
    return new Promise((resolve) => this.#server.close(() => resolve()))
  }

  async #serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(Buffer.from(chunk))
    this.#busy += 1
    this.#requestCount += 1
    try {
      const request = parse(message, Buffer.concat(chunks))
      const fault = this.spoil(request)
      if (fault !== undefined) {
        const reply = isRefusal(fault) ? { status: 500 } : this.#answer(request)
        sendSpoilt(message, response, { fault, reply })
        return
      }
      const operation = operationOf(request)
      const behaviour = operation === undefined ? {} : this.behave(operation, request.key)
      if (behaviour.delayMs !== undefined) await wait(behaviour.delayMs)
      if (behaviour.dropAnswer === true && behaviour.appliedAfterMs !== undefined) {
        message.socket.destroy()
        await wait(behaviour.appliedAfterMs)
      }
      const reply = this.#answer(request)
      if (behaviour.dropAnswer === true && reply.status < 300) {
        message.socket.destroy()
        return
      }
      send(response, request, reply)
    } finally {
      this.#busy -= 1
    }
  }

  #answer(request: Request): Reply {
    const { method, key, query } = request
    if (key === '') return { status: request.bucket === BUCKET ? 200 : 404 }
    if (method === 'POST' && query.has('uploads')) return this.#createUpload(request)
    if (method === 'POST' && query.has('uploadId')) return this.#complete(request)
    if (method === 'PUT' && query.has('uploadId')) return this.#writePart(request)
    if (method === 'DELETE' && query.has('uploadId')) return this.#abort(request)
    if (method === 'PUT' && request.headers['x-amz-copy-source'] !== undefined) {
      return this.#copy(request)
    }
    const path = `${request.bucket}/${key}`
    if (method === 'PUT') {
      const stored = storedOf(request.body)
      this.#apply(path, stored)
      return { status: 200, headers: { etag: `"${stored.etag}"` } }
    }
    if (method === 'DELETE') {
      if (this.#objects.has(path)) this.#apply(path, undefined)
      return { status: 204 }
    }
    if (method === 'GET' || method === 'HEAD') return read(request, this.#objects.get(path))
    return { status: 501 }
  }

  #apply(path: string, object: StoredObject | undefined): void {
    if (object === undefined) this.#objects.delete(path)
    else this.#objects.set(path, object)
    const sha1 = object === undefined ? undefined : sha1Of(object.bytes)
    this.applied.push({ key: path, sha1, atMs: performance.now() })
  }

  #copy({ bucket, key, headers }: Request): Reply {
    const source = decodeURIComponent(String(headers['x-amz-copy-source'])).replace(/^\//, '')
    const found = this.#objects.get(source)
    if (found === undefined) return refusal(404, 'NoSuchKey')
    const stored = { ...found, lastModified: new Date() }
    this.#apply(`${bucket}/${key}`, stored)
    const fields = `<ETag>"${stored.etag}"</ETag><LastModified>${stored.lastModified.toISOString()}</LastModified>`
    return document('CopyObjectResult', fields)
  }

  #createUpload({ bucket, key }: Request): Reply {
    const uploadId = randomBytes(12).toString('hex')
    this.#uploads.set(uploadId, { key: `${bucket}/${key}`, parts: new Map() })
    const fields = `<Bucket>${bucket}</Bucket><Key>${key}</Key><UploadId>${uploadId}</UploadId>`
    return document('InitiateMultipartUploadResult', fields)
  }

  #writePart({ query, body }: Request): Reply {
    const upload = this.#uploads.get(query.get('uploadId') ?? '')
    if (upload === undefined) return refusal(404, 'NoSuchUpload')
    const stored = storedOf(body)
    upload.parts.set(Number(query.get('partNumber')), stored)
    return { status: 200, headers: { etag: `"${stored.etag}"` } }
  }

  #complete({ bucket, key, query, body }: Request): Reply {
    const uploadId = query.get('uploadId') ?? ''
    const upload = this.#uploads.get(uploadId)
    if (upload === undefined) return refusal(404, 'NoSuchUpload')
    const numbers = [...body.toString().matchAll(/<PartNumber>(\d+)</g)].map(([, n]) => Number(n))
    const parts = numbers.map((number) => upload.parts.get(number))
    const bytes: Buffer[] = []
    const digests: Buffer[] = []
    for (const part of parts) {
      if (part === undefined) return refusal(400, 'InvalidPart')
      bytes.push(part.bytes)
      digests.push(Buffer.from(part.etag, 'hex'))
    }
    const etag = `${md5(Buffer.concat(digests))}-${parts.length}`
    this.#apply(upload.key, { bytes: Buffer.concat(bytes), etag, lastModified: new Date() })
    this.#uploads.delete(uploadId)
    const fields = `<Bucket>${bucket}</Bucket><Key>${key}</Key><ETag>"${etag}"</ETag>`
    return document('CompleteMultipartUploadResult', fields)
  }

  #abort({ query }: Request): Reply {
    return { status: this.#uploads.delete(query.get('uploadId') ?? '') ? 204 : 404 }
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function parse(message: IncomingMessage, raw: Buffer): Request {
  const url = new URL(message.url ?? '/', 'http://origin')
  const [, bucket = '', ...rest] = url.pathname.split('/')
  const framed = String(message.headers['x-amz-content-sha256'] ?? '').startsWith('STREAMING-')
  return {
    method: message.method ?? '',
    bucket,
    key: decodeURIComponent(rest.join('/')),
    query: url.searchParams,
    headers: message.headers,
    body: framed ? unframe(raw) : raw,
  }
}

/** Takes the frames of aws-chunked off; a body without its last frame is refused by throwing. */
function unframe(raw: Buffer): Buffer {
  const chunks: Buffer[] = []
  let at = 0
  for (;;) {
    const lineEnd = raw.indexOf('\r\n', at)
    if (lineEnd < 0) throw new Error('the body ends before its last frame')
    const sizeBytes = Number.parseInt(raw.toString('latin1', at, lineEnd), 16)
    if (sizeBytes === 0) return Buffer.concat(chunks)
    chunks.push(raw.subarray(lineEnd + 2, lineEnd + 2 + sizeBytes))
    at = lineEnd + 2 + sizeBytes + 2
  }
}

function operationOf({ method, key, query, headers }: Request): OriginOperation | undefined {
  if (key === '') return undefined
  if (method === 'POST' && query.has('uploadId')) return 'complete'
  if (query.has('uploadId') || query.has('uploads')) return undefined
  if (method === 'DELETE') return 'delete'
  if (method !== 'PUT') return undefined
  return headers['x-amz-copy-source'] === undefined ? 'put' : 'copy'
}

function read({ headers }: Request, found: StoredObject | undefined): Reply {
  if (found === undefined) return refusal(404, 'NoSuchKey')
  const { bytes, etag, lastModified } = found
  const described = {
    etag: `"${etag}"`,
    'last-modified': lastModified.toUTCString(),
    'accept-ranges': 'bytes',
    'content-type': 'application/octet-stream',
  }
  const tag = `"${etag}"`
  const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch } = headers
  if (ifMatch !== undefined && ifMatch !== tag) return refusal(412, 'PreconditionFailed')
  if (ifNoneMatch === tag) return { status: 304, headers: described }
  const match = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '')
  if (match === null) {
    const stated = headers['x-amz-checksum-mode'] === undefined ? {} : checksumHeaders(found)
    return { status: 200, headers: { ...described, ...stated }, body: bytes }
  }
  const first = Number(match[1])
  const last = Math.min(
    match[2] === '' ? Number.POSITIVE_INFINITY : Number(match[2]),
    bytes.length - 1,
  )
  if (first >= bytes.length) return refusal(416, 'InvalidRange')
  return {
    status: 206,
    headers: { ...described, 'content-range': `bytes ${first}-${last}/${bytes.length}` },
    body: bytes.subarray(first, last + 1),
  }
}

/** As S3 states it of every object that was written since the end of 2024. */
function checksumHeaders({ bytes }: StoredObject): Readonly<Record<string, string>> {
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(bytes))
  return { 'x-amz-checksum-crc32': sum.toString('base64'), 'x-amz-checksum-type': 'FULL_OBJECT' }
}

function send(response: ServerResponse, { method }: Request, reply: Reply): void {
  const body = Buffer.from(reply.body ?? '')
  response.writeHead(reply.status, { ...reply.headers, 'content-length': String(body.length) })
  response.end(method === 'HEAD' ? undefined : body)
}

function document(name: string, fields: string): Reply {
  const body = `<?xml version="1.0" encoding="UTF-8"?><${name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${fields}</${name}>`
  return { status: 200, headers: { 'content-type': 'application/xml' }, body }
}

function refusal(status: number, code: string): Reply {
  const body = `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
  return { status, headers: { 'content-type': 'application/xml' }, body }
}

function storedOf(body: Buffer): StoredObject {
  const bytes = Buffer.from(body)
  return { bytes, etag: md5(bytes), lastModified: new Date() }
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex')
}
