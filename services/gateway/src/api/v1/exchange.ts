import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure, type FailureCode } from '@forebay/base/failure'
import { newRequestId } from '@forebay/base/ids'
import type { BucketRef } from '@forebay/model/bucket'
import { parseQuery, type Query } from '@forebay/s3/query'
import { encodeError } from '@forebay/wire/error-body'
import type { WireHeaders } from '@forebay/wire/object-headers'
import type { V1Context, V1Need } from './context.ts'

/**
 * One request on the native door and its answer, on the raw request and response: framework parsing
 * would drop GET bodies, decode names twice and judge object bodies by their content type.
 */
export class Exchange {
  readonly context: V1Context
  readonly raw: IncomingMessage
  readonly response: ServerResponse
  readonly method: string
  /** As the client wrote it, without the query. */
  readonly rawPath: string
  readonly requestId = newRequestId()
  /** What the request is about, once it is known; for error texts. */
  bucket: BucketRef | undefined
  key: string | undefined
  readonly #rawQuery: string
  #query: Query | undefined
  #abort: AbortController | undefined
  #failure: Failure | undefined
  readonly #startedMs = performance.now()

  constructor(context: V1Context, raw: IncomingMessage, response: ServerResponse) {
    this.context = context
    this.raw = raw
    this.response = response
    this.method = raw.method ?? 'GET'
    const target = raw.url ?? '/'
    const mark = target.indexOf('?')
    this.rawPath = mark === -1 ? target : target.slice(0, mark)
    this.#rawQuery = mark === -1 ? '' : target.slice(mark + 1)
  }

  /** @throws Failure `uri-invalid` | `argument-invalid` */
  get query(): Query {
    this.#query ??= parseQuery(this.#rawQuery)
    return this.#query
  }

  /** Aborted when the client leaves before its answer is complete. */
  get signal(): AbortSignal {
    if (this.#abort === undefined) {
      const abort = new AbortController()
      this.#abort = abort
      this.response.once('close', () => {
        if (this.response.writableFinished) return
        abort.abort(new Failure('client-gone', 'the client left before its answer was complete'))
      })
    }
    return this.#abort.signal
  }

  /** One value of a header that may come once. */
  header(name: string): string | undefined {
    const value = this.raw.headers[name]
    return Array.isArray(value) ? value[0] : value
  }

  /** @throws Failure `access-denied` */
  authorise(need: V1Need, bucket?: string): void {
    if (this.context.allows(this.raw, need, bucket)) return
    const what = bucket === undefined ? 'this' : `bucket "${bucket}"`
    throw new Failure('access-denied', `you may not ${VERBS[need]} ${what}`, {
      hint: 'Ask an administrator for a policy that allows it (setting auth.users).',
    })
  }

  sendEmpty(status: number, headers: WireHeaders = {}): void {
    this.writeHead(status, { 'Content-Length': '0', ...headers })
    this.response.end()
  }

  /** The answer to HEAD: the length of a body that is not sent. */
  sendHead(status: number, headers: WireHeaders): void {
    this.writeHead(status, headers)
    this.response.end()
  }

  sendJson(value: unknown, status = 200): void {
    this.sendBytes(Buffer.from(JSON.stringify(value)), 'application/json; charset=utf-8', status)
  }

  sendBytes(bytes: Buffer, contentType: string, status = 200): void {
    this.writeHead(status, { 'Content-Type': contentType, 'Content-Length': String(bytes.length) })
    this.response.end(bytes)
  }

  writeHead(status: number, headers: WireHeaders): void {
    for (const [name, value] of Object.entries(headers)) this.response.setHeader(name, value)
    this.response.setHeader('Forebay-Request-Id', this.requestId)
    this.response.setHeader('X-Content-Type-Options', 'nosniff')
    this.response.writeHead(status)
  }

  /** Answers with AIStore's error body; after the head was sent only the connection can say it. */
  fail(error: unknown): void {
    const failure = toFailure(error)
    this.#failure = failure
    const brokeOff = this.response.headersSent && failure.code !== 'client-gone'
    if (brokeOff || OUR_FAULTS.has(failure.code)) this.context.report(error, this.requestId)
    if (this.response.headersSent) {
      this.response.destroy()
      return
    }
    const body = JSON.stringify(encodeError(failure, this.#place()))
    const headers = { ...extraHeaders(failure), 'Content-Type': 'application/json' }
    if (this.method === 'HEAD') {
      this.sendHead(failure.status, { ...headers, 'Hdr-Error': asciiJson(body) })
    } else {
      this.writeHead(failure.status, {
        ...headers,
        'Content-Length': String(Buffer.byteLength(body)),
      })
      this.response.end(body)
    }
  }

  /** Tells the node that the request was answered, once its last byte was handed over. */
  finish(): void {
    if (this.context.onAnswer === undefined) return
    const { method, raw, response } = this
    const durationMs = performance.now() - this.#startedMs
    const cache = response.getHeader('forebay-cache')
    this.context.onAnswer({
      requestId: this.requestId,
      timeMs: Date.now() - durationMs,
      remoteAddress: raw.socket.remoteAddress ?? '',
      user: this.context.userOf?.(raw),
      operation: this.#operation(),
      bucket: this.bucket?.name,
      key: this.key,
      status: response.statusCode,
      errorCode: this.#failure?.code,
      bytesIn: Number(raw.headers['content-length'] ?? 0),
      bytesOut: method === 'HEAD' ? 0 : Number(response.getHeader('content-length') ?? 0),
      durationMs,
      cache: typeof cache === 'string' ? cache : undefined,
    })
  }

  /** `v1.get.objects`: method and first word of the path; what is not known is `other`. */
  #operation(): string {
    const family = this.rawPath.split('/', 3)[2] ?? ''
    const method = KNOWN_METHODS.has(this.method) ? this.method.toLowerCase() : 'other'
    return `v1.${method}.${KNOWN_FAMILIES.has(family) ? family : 'other'}`
  }

  #place(): Parameters<typeof encodeError>[1] {
    const { remoteAddress = '', remotePort = 0 } = this.raw.socket
    return {
      method: this.method,
      path: this.rawPath,
      // The socket's own address: headers that claim another one are not believed.
      remoteAddress: `${remoteAddress}:${remotePort}`,
      nodeId: this.context.nodeId,
      requestId: this.requestId,
      bucket: this.bucket,
      key: this.key,
    }
  }
}

/** Codes that mean that this node or its code is at fault; the rest is news to the caller only. */
const OUR_FAULTS: ReadonlySet<FailureCode> = new Set([
  'internal',
  'disk-error',
  'object-corrupt',
  'setting-invalid',
  'format-newer',
])

const KNOWN_METHODS: ReadonlySet<string> = new Set([
  'GET',
  'HEAD',
  'PUT',
  'POST',
  'PATCH',
  'DELETE',
])

/** A label must not grow with what strangers ask for. */
const KNOWN_FAMILIES: ReadonlySet<string> = new Set([
  'buckets',
  'objects',
  'health',
  'daemon',
  'forebay',
  'cluster',
  'jobs',
  'schedules',
  'download',
])

const VERBS: Readonly<Record<V1Need, string>> = {
  read: 'read',
  list: 'list',
  write: 'write to',
  admin: 'manage',
}

function extraHeaders(failure: Failure): WireHeaders {
  const { waitSeconds, facts } = failure
  return {
    ...(waitSeconds === undefined ? {} : { 'Retry-After': String(waitSeconds) }),
    ...(failure.code === 'method-not-allowed' ? { Allow: String(facts['allow'] ?? '') } : {}),
    ...(facts['sizeBytes'] === undefined
      ? {}
      : { 'Content-Range': `bytes */${String(facts['sizeBytes'])}` }),
    ...(facts['close'] === true ? { Connection: 'close' } : {}),
  }
}

/** What is no expected failure is a mistake of ours: the caller learns no more than that. */
function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  return new Failure('internal', 'an internal error; the log has it under the request id', {
    cause: error,
  })
}

/** JSON in a header: characters beyond ASCII as escapes. */
function asciiJson(json: string): string {
  return json.replace(
    /[^\x20-\x7e]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
