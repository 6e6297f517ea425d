import type { IncomingMessage } from 'node:http'
import type { Failure } from '@forebay/base/failure'
import type { FormFields } from '@forebay/s3/form-parser'
import { matchOperation, type OperationName } from '@forebay/s3/operation'
import {
  checkHeaderSection,
  type RequestHeaders,
  withHoistedHeaders,
} from '@forebay/s3/request-headers'
import { bucketOfHost, parseRequestTarget, type RequestTarget } from '@forebay/s3/request-target'
import { checkExpectedOwner, refuseUnsupportedHeaders } from '@forebay/s3/unsupported-headers'
import type { Authenticated } from '../../authentication/authenticator.ts'
import { requirePermission } from '../../authentication/authorise.ts'
import type { S3Context } from './context.ts'
import { answerPreflight, originHeaders, setCorsHeaders } from './cross-origin.ts'
import { type Arrival, Exchange, ownerOf } from './exchange.ts'
import { FormUpload } from './form-upload.ts'
import { checkEmptyPayload } from './open-body.ts'
import { OPERATIONS } from './operations.ts'
import { refuse, toFailure } from './refuse.ts'

/** The S3 API: from an authenticated request to its answer. It never passes through a router. */
export class S3Door {
  readonly #context: S3Context

  constructor(context: S3Context) {
    this.#context = context
  }

  /** The bucket that the Host header of a request names (virtual-host style). */
  hostBucketOf(request: IncomingMessage): string | undefined {
    return bucketOfHost(request.headers.host, this.#context.baseDomains)
  }

  /** Answers a request; resolves when its last byte was handed over. Never rejects. */
  async serve(arrival: Arrival, authenticated: Authenticated): Promise<void> {
    const startedMs = this.#context.onAnswer === undefined ? 0 : performance.now()
    let exchange: Exchange | undefined
    let failure: Failure | undefined
    this.#allowOrigin(arrival)
    try {
      exchange = this.#open(arrival, authenticated)
      await dispatch(exchange)
    } catch (error) {
      failure = this.#fail(error, arrival, exchange)
    }
    if (this.#context.onAnswer !== undefined) {
      this.#tell({ arrival, authenticated, exchange, failure, startedMs })
    }
  }

  /**
   * Answers a browser that asks whether a page of another origin may send a request. It cannot sign
   * its question, so nobody is authenticated: only the rules of the bucket are told, and no provider
   * is asked for a bucket that the table does not have.
   */
  preflight(arrival: Arrival): void {
    const startedMs = performance.now()
    let failure: Failure | undefined
    try {
      answerPreflight(arrival, this.#context, this.hostBucketOf(arrival.request))
    } catch (error) {
      failure = this.#fail(error, arrival, undefined)
    }
    this.#tell({ arrival, authenticated: undefined, exchange: undefined, failure, startedMs })
  }

  /** True when a rule of the bucket lets the page that sends a request do so (CORS). */
  allowsOrigin(request: IncomingMessage): boolean {
    return originHeaders(request, this.#context, this.hostBucketOf(request)).length > 0
  }

  /** True for an upload by an HTML form: its signature, if any, stands in its fields. */
  isForm(request: IncomingMessage): boolean {
    return (
      request.method === 'POST' &&
      request.headers.authorization === undefined &&
      request.url?.includes('?') === false &&
      isBucketPost(request, this.hostBucketOf(request))
    )
  }

  /** Answers a form (PostObject). Never rejects. */
  async serveForm(
    arrival: Arrival,
    authenticate: (fields: FormFields) => Authenticated,
  ): Promise<void> {
    const startedMs = performance.now()
    let exchange: Exchange | undefined
    let failure: Failure | undefined
    this.#allowOrigin(arrival)
    const form = new FormUpload(arrival, this.#context.readStallTimeoutMs)
    try {
      checkHeaderSection(arrival.request.rawHeaders)
      const target = parseRequestTarget(
        arrival.request.url ?? '',
        this.hostBucketOf(arrival.request),
      )
      const fields = await form.open()
      const authenticated = authenticate(fields)
      const headers = form.headers()
      checkExpectedOwner(headers, [this.#context.owner.id])
      const parsed = { authenticated, target, headers, operation: 'PostObject', form } as const
      // The client was told to send when the fields were wanted.
      exchange = new Exchange(this.#context, { ...arrival, awaitsContinue: false }, parsed)
      await dispatch(exchange)
    } catch (error) {
      form.abandon(error)
      failure = this.#fail(error, { ...arrival, awaitsContinue: false }, exchange)
    }
    this.#tell({ arrival, authenticated: exchange?.authenticated, exchange, failure, startedMs })
  }

  /** Answers a request that got no further than the front door. */
  refuse(error: unknown, arrival: Arrival): void {
    const startedMs = performance.now()
    this.#allowOrigin(arrival)
    const failure = this.#fail(error, arrival, undefined)
    this.#tell({ arrival, authenticated: undefined, exchange: undefined, failure, startedMs })
  }

  /** Lets the page that sent the request see its answer, errors too, where the bucket's rules do. */
  #allowOrigin({ request, response }: Arrival): void {
    if (request.headers.origin === undefined) return
    setCorsHeaders({ request, response }, this.#context, this.hostBucketOf(request))
  }

  #open(arrival: Arrival, authenticated: Authenticated): Exchange {
    const { request } = arrival
    checkHeaderSection(request.rawHeaders)
    const target = parseRequestTarget(request.url ?? '', this.hostBucketOf(request))
    const headers = withHoistedHeaders(request.headers, target.query)
    const method = request.method ?? ''
    const operation = matchOperation(method, target, headers)
    checkEmptyPayload(headers, authenticated.payload)
    checkHeaders(operation, headers)
    checkExpectedOwner(headers, [this.#context.owner.id, ownerOf(authenticated, this.#context).id])
    return new Exchange(this.#context, arrival, { authenticated, target, headers, operation })
  }

  #fail(error: unknown, arrival: Arrival, exchange: Exchange | undefined): Failure {
    const { request, response, requestId } = arrival
    const failure = toFailure(error)
    const begun = exchange?.hasBegun === true
    const brokeOff = response.headersSent && !begun && failure.code !== 'client-gone'
    const ours = failure.status >= 500 && failure.code !== 'not-implemented'
    if (ours || brokeOff) this.#context.report(error, requestId)
    const target = exchange?.target ?? targetOrNothing(request, this.hostBucketOf(request))
    refuse(
      failure,
      {
        requestId,
        hostId: this.#context.hostId,
        resource: target?.rawPath,
        bucket: target?.bucket,
        key: target?.key,
      },
      {
        request,
        response,
        hasBegun: exchange?.hasBegun,
        awaitsContinue: exchange === undefined ? arrival.awaitsContinue : exchange.awaitsContinue,
      },
    )
    return failure
  }

  #tell(outcome: {
    readonly arrival: Arrival
    readonly authenticated: Authenticated | undefined
    readonly exchange: Exchange | undefined
    readonly failure: Failure | undefined
    readonly startedMs: number
  }): void {
    const { arrival, authenticated, exchange, failure, startedMs } = outcome
    const durationMs = performance.now() - startedMs
    const identity = authenticated?.identity
    this.#context.onAnswer?.({
      requestId: arrival.requestId,
      timeMs: Date.now() - durationMs,
      remoteAddress: arrival.request.socket.remoteAddress ?? '',
      user: identity?.kind === 'user' ? identity.user.id : undefined,
      operation: exchange?.operation ?? 'Unknown',
      bucket: exchange?.target.bucket,
      key: exchange?.target.key,
      status: arrival.response.statusCode,
      errorCode: failure?.code,
      bytesIn: exchange?.bytesIn ?? 0,
      bytesOut: exchange?.bytesOut ?? 0,
      durationMs,
      cache: exchange?.cache,
    })
  }
}

/** Authorises by the table, then hands over what was authorised. */
async function dispatch(exchange: Exchange): Promise<void> {
  const operation = OPERATIONS[exchange.operation]
  const { identity } = exchange.authenticated
  const { key } = exchange.target
  switch (operation.on) {
    case 'service':
      requirePermission(identity, operation.needs)
      return operation.handle(exchange)
    case 'name':
      requirePermission(identity, operation.needs, [exchange.bucketName])
      return operation.handle(exchange)
    case 'bucket':
      return operation.handle(
        exchange,
        await exchange.openBucket(exchange.bucketName, operation.needs),
      )
    case 'object':
      return operation.handle(exchange, {
        bucket: await exchange.openBucket(exchange.bucketName, operation.needs),
        key: key ?? '',
      })
    default:
      return operation satisfies never
  }
}

/** Reads are frequent and few headers can change what they mean; everything else is looked through. */
function checkHeaders(operation: OperationName, headers: RequestHeaders): void {
  if (
    (operation === 'GetObject' || operation === 'HeadObject') &&
    headers['x-amz-server-side-encryption-customer-algorithm'] === undefined
  ) {
    return
  }
  refuseUnsupportedHeaders(headers)
}

/** A POST to a bucket itself, whatever its body is. */
function isBucketPost(request: IncomingMessage, hostBucket: string | undefined): boolean {
  const target = targetOrNothing(request, hostBucket)
  return target?.bucket !== undefined && target.key === undefined
}

function targetOrNothing(
  request: IncomingMessage,
  hostBucket: string | undefined,
): RequestTarget | undefined {
  try {
    return parseRequestTarget(request.url ?? '', hostBucket)
  } catch {
    // The target itself is what was refused.
    return undefined
  }
}
