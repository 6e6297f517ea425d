import { Failure } from '@forebay/base/failure'
import {
  type ErrorContext,
  errorHeaders,
  renderError,
  s3StatusOf,
} from '@forebay/s3/error-document'
import { XML_DECLARATION } from '@forebay/s3/xml-write'
import type { Arrival } from './exchange.ts'

/** How long an answered client may go on sending the body that nobody wants, ms. */
export const LINGER_MS = 2000

/** How much of such a body is read and thrown away, bytes. */
export const LINGER_BYTES_MAX = 16 * 1024 ** 2

/** What is no expected failure is a mistake of ours: the caller learns no more than that. */
export function toFailure(error: unknown): Failure {
  if (error instanceof Failure) return error
  return new Failure('internal', 'an unexpected error', { cause: error })
}

/**
 * Answers with an error of the S3 API. When the head was sent already only the connection can tell.
 *
 * A body that is still under way is not waited for: the answer goes out at once, what the client
 * still sends is thrown away within bounds, and the connection ends. Closing at once would make the
 * system discard the answer.
 *
 * @param arrival `awaitsContinue`: the client was never told to send, it sends nothing; `hasBegun`:
 * a slow answer was begun with status 200, so the error is its document
 */
export function refuse(
  failure: Failure,
  context: ErrorContext,
  arrival: Pick<Arrival, 'request' | 'response' | 'awaitsContinue'> & {
    readonly hasBegun?: boolean | undefined
  },
): void {
  const { request, response, awaitsContinue, hasBegun } = arrival
  if (hasBegun === true && !response.destroyed) {
    response.end(renderError(failure, context).slice(XML_DECLARATION.length))
    return
  }
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const bodiless = request.method === 'HEAD' || failure.status === 304
  const body = bodiless ? undefined : Buffer.from(renderError(failure, context))
  const headers = errorHeaders(failure)
  headers.push('x-amz-request-id', context.requestId, 'x-amz-id-2', context.hostId)
  if (body !== undefined) {
    headers.push('Content-Type', 'application/xml', 'Content-Length', body.length)
  }
  const unread = !request.complete && hasBody(arrival)
  if (unread || failure.facts['close'] === true) headers.push('Connection', 'close')
  response.writeHead(s3StatusOf(failure), headers)
  if (!unread || awaitsContinue || body === undefined) {
    response.end(body)
    return
  }
  response.write(body)
  linger(arrival)
}

function hasBody({ request }: Pick<Arrival, 'request'>): boolean {
  const length = request.headers['content-length']
  return request.headers['transfer-encoding'] !== undefined || Number(length ?? 0) > 0
}

function linger({ request, response }: Pick<Arrival, 'request' | 'response'>): void {
  let discardedBytes = 0
  const finish = (): void => {
    clearTimeout(timer)
    request.off('data', discard).off('end', finish).off('close', finish)
    if (!response.writableEnded) response.end()
  }
  const discard = (chunk: Buffer): void => {
    discardedBytes += chunk.length
    if (discardedBytes > LINGER_BYTES_MAX) finish()
  }
  const timer = setTimeout(finish, LINGER_MS)
  request.on('data', discard).once('end', finish).once('close', finish)
  request.on('error', finish)
  request.resume()
}
