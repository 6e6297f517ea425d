import type { IncomingMessage, ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { UserMetadata } from '@forebay/model/object'
import { parseMetadata } from '@forebay/s3/object-headers'
import type { OperationName } from '@forebay/s3/operation'
import { percentEncode } from '@forebay/s3/percent'
import type { RequestHeaders } from '@forebay/s3/request-headers'
import type { RequestTarget } from '@forebay/s3/request-target'
import { XML_DECLARATION } from '@forebay/s3/xml-write'
import type { Authenticated } from '../../authentication/authenticator.ts'
import type { Permission } from '../../authentication/authorise.ts'
import type { S3Context } from './context.ts'
import type { FormUpload } from './form-upload.ts'

/** What the front door knows of a request before the S3 door sees it. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  /** The client waits for 100 Continue before it sends its body. */
  readonly awaitsContinue: boolean
}

/** A flat list of names and values, as `writeHead` takes it without copying. */
export type FlatHeaders = (string | number)[]

const XML_TYPE = 'application/xml'

/** A client of a slow operation hears something at least this often, ms: many give up after a minute. */
export const SILENCE_MAX_MS = 10_000

/** Whom answers to a caller name as the owner of buckets and objects. */
export function ownerOf(
  { identity }: Pick<Authenticated, 'identity'>,
  context: Pick<S3Context, 'owner'>,
): S3Context['owner'] {
  if (identity.kind !== 'user') return context.owner
  const { id, displayName } = identity.user
  return { id, displayName: displayName ?? id }
}

/** One request of the S3 API and its answer. */
export class Exchange {
  readonly context: S3Context
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly requestId: string
  readonly authenticated: Authenticated
  readonly target: RequestTarget
  /** With those that a presigned URL carries. */
  readonly headers: RequestHeaders
  readonly operation: OperationName
  /** What PostObject read before it was known who asks. */
  readonly form: FormUpload | undefined
  /** For the log. */
  bytesIn = 0
  bytesOut = 0
  cache: string | undefined
  #begun = false
  #awaitsContinue: boolean
  #abort: AbortController | undefined

  constructor(
    context: S3Context,
    arrival: Arrival,
    parsed: Pick<Exchange, 'authenticated' | 'target' | 'headers' | 'operation'> &
      Partial<Pick<Exchange, 'form'>>,
  ) {
    this.context = context
    this.request = arrival.request
    this.response = arrival.response
    this.requestId = arrival.requestId
    this.#awaitsContinue = arrival.awaitsContinue
    this.authenticated = parsed.authenticated
    this.target = parsed.target
    this.headers = parsed.headers
    this.operation = parsed.operation
    this.form = parsed.form
  }

  /** Whom answers name as the owner: the user who asks, else the cluster. */
  get owner(): S3Context['owner'] {
    return ownerOf(this.authenticated, this.context)
  }

  /** True while the client still waits for the word to send its body. */
  get awaitsContinue(): boolean {
    return this.#awaitsContinue
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

  /** Lets a waiting client send its body; to be called when the first byte of it is wanted. */
  continue(): void {
    if (!this.#awaitsContinue) return
    this.#awaitsContinue = false
    this.response.writeContinue()
  }

  /**
   * A bucket that the caller may use so.
   *
   * @throws Failure `bucket-not-found` | `access-denied` | `bucket-ambiguous` | `backend-*`
   */
  async openBucket(name: string, permission: Permission): Promise<BucketRecord> {
    const { resolver } = this.context
    const request = { name, permission, identity: this.authenticated.identity }
    return resolver.known(request) ?? (await resolver.resolve(request, this.signal))
  }

  /** The user metadata that the request states. @throws Failure `metadata-too-large` */
  parseMetadata(): UserMetadata {
    // A form's are its fields; headers of its request are signed by nobody.
    const distinct = this.form === undefined ? () => this.request.headersDistinct : undefined
    return parseMetadata(this.headers, distinct)
  }

  /** The name of the bucket in the request. */
  get bucketName(): string {
    const { bucket } = this.target
    if (bucket === undefined) throw new Failure('internal', 'an operation without a bucket')
    return bucket
  }

  /** Where the client itself reached us: its own Host header, never a forwarded one. */
  locationOf(key: string): string {
    const { socket, headers } = this.request
    const scheme = 'encrypted' in socket ? 'https' : 'http'
    return `${scheme}://${headers.host ?? ''}/${this.bucketName}/${percentEncode(key)}`
  }

  /** Answers with no body. `headers` are flat and may be added to. */
  sendEmpty(status: number, headers: FlatHeaders = []): void {
    headers.push('x-amz-request-id', this.requestId)
    if (status !== 204 && status !== 304) headers.push('Content-Length', 0)
    this.response.writeHead(status, headers)
    this.response.end()
  }

  /** True when a slow answer was begun with status 200: a failure then stands in its document. */
  get hasBegun(): boolean {
    return this.#begun
  }

  /**
   * Waits for work that may take long. After `silenceMaxMs` the answer begins with status 200 and the
   * XML declaration, then goes on with white space, as S3's does; its document comes with `sendXml`.
   */
  async keepAwake<T>(work: Promise<T>, silenceMaxMs = SILENCE_MAX_MS): Promise<T> {
    const timer = setInterval(() => {
      if (this.response.destroyed) return
      if (this.#begun) this.response.write(' ')
      else this.#begin()
    }, silenceMaxMs)
    try {
      return await work
    } finally {
      clearInterval(timer)
    }
  }

  #begin(): void {
    this.#begun = true
    this.response.writeHead(200, {
      'x-amz-request-id': this.requestId,
      'content-type': XML_TYPE,
    })
    this.response.write(XML_DECLARATION)
  }

  /** Answers with a document. `headers` are left out where the answer was begun before. */
  sendXml(document: string, headers: FlatHeaders = [], status = 200): void {
    if (this.#begun) {
      this.response.end(document.slice(XML_DECLARATION.length))
      return
    }
    const body = Buffer.from(document)
    this.bytesOut = body.length
    headers.push(
      'x-amz-request-id',
      this.requestId,
      'Content-Type',
      XML_TYPE,
      'Content-Length',
      body.length,
    )
    this.response.writeHead(status, headers)
    this.response.end(body)
  }
}
