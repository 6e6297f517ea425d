import type { HeadResult, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { acceptAnswer } from '@forebay/backend-transport/accept-answer'
import { contentLengthOf, parseContentRange } from '@forebay/backend-transport/answer-headers'
import { pinHeaders, unlessHeaders } from '@forebay/backend-transport/conditional-headers'
import { headerOf } from '@forebay/backend-transport/exchange'
import { refuseVersionId } from '@forebay/backend-transport/no-versions'
import { Failure } from '@forebay/base/failure'
import { attributesOf, isDelimited } from './answer-headers.ts'
import { failureOf } from './classify-answer.ts'
import {
  type Connection,
  describe,
  sendRequest,
  skipBody,
  type WebAnswer,
  type WebRequest,
} from './connection.ts'
import { type HttpSource, urlOfKey } from './http-source.ts'
import { wantedPart } from './part-of-whole.ts'
import type { RangeSupport } from './range-support.ts'
import { countBytes, withLength } from './untold-length.ts'

/** Where an object lies. */
export interface Place {
  readonly connection: Connection
  readonly source: HttpSource
  readonly ranges: RangeSupport
}

/**
 * GET of an object or a range of it.
 *
 * Nothing that the server was asked for is believed: many know no ranges and no conditions. A body
 * whose end cannot be told from a broken connection is refused.
 */
export async function readObject(place: Place, options: ReadOptions): Promise<ReadResult> {
  const { key, range, pin, unless, signal } = options
  signal.throwIfAborted()
  const url = urlOfKey(place.source, key)
  if (url === undefined) return { kind: 'absent' }
  const last = range === undefined ? 0 : range.offset + range.lengthBytes - 1
  const headers = {
    ...(range === undefined ? {} : { range: `bytes=${range.offset}-${last}` }),
    ...pinHeaders(pin),
    ...unlessHeaders(unless),
  }
  const request: WebRequest = { method: 'GET', url, headers, signal }
  const answer = await sendRequest(place.connection, request)
  const { status, isDirectory } = answer
  const { ranges } = place
  if (isDirectory || (status !== 200 && status !== 206)) {
    return readRefusal(answer, request, options)
  }
  try {
    const what = describe(request)
    checkDelimited(answer, what)
    ranges.hear(answer.headers)
    const result = await acceptWhole(answer, options, what)
    if (status === 206) ranges.answered(true)
    if (status === 206 || result.kind !== 'found') return result
    if (isPartOf(range, result.sizeBytes)) ranges.answered(false)
    return wantedPart(result, options, what)
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

function isPartOf(range: ReadOptions['range'], sizeBytes = 0): boolean {
  return range !== undefined && (range.offset > 0 || range.lengthBytes < sizeBytes)
}

async function acceptWhole(
  answer: WebAnswer,
  options: ReadOptions,
  what: string,
): Promise<ReadResult> {
  const result = acceptAnswer(answer, { what, read: options, attributesOf })
  const isTold = answer.status !== 200 || result.kind !== 'found' || result.sizeBytes !== undefined
  return isTold ? result : withLength(result, answer, { options, what })
}

/** Objects from this size on are worth the question, once, whether the server knows ranges; bytes. */
const PROBED_BYTES_MIN = 1024 ** 2

/** What an answer other than 200 and 206 to a GET comes to. */
export async function readRefusal(
  answer: WebAnswer,
  request: WebRequest,
  options: Pick<ReadOptions, 'pin' | 'unless'>,
): Promise<ReadResult> {
  await skipBody(answer)
  if (answer.isDirectory) return { kind: 'absent' }
  if (answer.status === 304 && options.unless !== undefined) return { kind: 'not-modified' }
  const failure = failureOf(answer, describe(request))
  if (failure.code === 'object-not-found') return { kind: 'absent' }
  const pinned = options.pin !== undefined && options.pin.kind !== 'none'
  if (failure.code === 'precondition-failed' && pinned) return { kind: 'changed' }
  throw failure
}

/**
 * HEAD of an object. Servers that know no HEAD, or tell no length by it, are asked for the first byte,
 * then for the whole, of which only the head is taken where that tells it.
 *
 * @throws Failure `backend-refused` when the server tells the length in no way and it is a long one
 */
export async function headObject(
  place: Place,
  options: {
    readonly key: string
    readonly versionId?: string | undefined
    readonly signal: AbortSignal
  },
): Promise<HeadResult> {
  options.signal.throwIfAborted()
  const url = urlOfKey(place.source, options.key)
  if (url === undefined) return { kind: 'absent' }
  refuseVersionId(describe({ method: 'HEAD', url }), options.versionId)
  const { signal } = options
  const { connection } = place
  const head = await sendRequest(connection, { method: 'HEAD', url, headers: {}, signal })
  place.ranges.hear(head.headers)
  const isEnough = !isUseless(head, url)
  if (isEnough && !(place.ranges.isUnknown && (sizeOf(head) ?? 0) >= PROBED_BYTES_MIN)) {
    return headFrom(head, { method: 'HEAD', url })
  }
  await skipBody(head)
  const firstByte = { range: 'bytes=0-0' }
  const part = await sendRequest(connection, { method: 'GET', url, headers: firstByte, signal })
  if (part.status === 200 || part.status === 206) place.ranges.answered(part.status === 206)
  if (isEnough) {
    part.body.discard()
    return headFrom(head, { method: 'HEAD', url })
  }
  if (isUntold(part)) return countedHead(part, url)
  // 416 is what an empty object has to say.
  if (part.status !== 416 && !isUseless(part, url)) return headFrom(part, { method: 'GET', url })
  part.body.discard()
  const whole = await sendRequest(connection, { method: 'GET', url, headers: {}, signal })
  return isUntold(whole) ? countedHead(whole, url) : headFrom(whole, { method: 'GET', url })
}

/** True for the whole object without a word about its length. */
function isUntold(answer: WebAnswer): boolean {
  return answer.status === 200 && !answer.isDirectory && sizeOf(answer) === undefined
}

async function countedHead(whole: WebAnswer, url: URL): Promise<HeadResult> {
  const what = describe({ method: 'GET', url })
  try {
    checkDelimited(whole, what)
    const sizeBytes = await countBytes(whole.body, what)
    return { kind: 'found', attributes: attributesOf(whole.headers, sizeBytes) }
  } catch (error) {
    whole.body.discard()
    throw error
  }
}

/** @throws Failure `backend-refused` where a broken connection would look like the end */
export function checkDelimited(answer: WebAnswer, what: string): void {
  if (isDelimited(answer.headers)) return
  throw new Failure('backend-refused', `${what}: the answer says neither its length nor its end`)
}

/** True when another method may tell more. A signed link is signed for GET alone. */
function isUseless(answer: WebAnswer, url: URL): boolean {
  const { status } = answer
  if (status === 405 || status === 501) return true
  if (status === 403) return url.search !== ''
  return (status === 200 || status === 206) && sizeOf(answer) === undefined
}

async function headFrom(
  answer: WebAnswer,
  request: Pick<WebRequest, 'method' | 'url'>,
): Promise<HeadResult> {
  const { status, headers, isDirectory } = answer
  const sizeBytes = sizeOf(answer)
  if (!isDirectory && (status === 200 || status === 206) && sizeBytes !== undefined) {
    if (request.method === 'HEAD' || status === 206) await skipBody(answer)
    else answer.body.discard()
    return { kind: 'found', attributes: attributesOf(headers, sizeBytes) }
  }
  if (isDirectory) {
    answer.body.discard()
    return { kind: 'absent' }
  }
  await skipBody(answer)
  const failure = failureOf(answer, describe(request))
  if (failure.code === 'object-not-found') return { kind: 'absent' }
  throw failure
}

/** Bytes of the whole object, where the head tells them. */
function sizeOf({ status, headers }: WebAnswer): number | undefined {
  if (status !== 206) return contentLengthOf(headers)
  const range = parseContentRange(headerOf(headers, 'content-range'))
  return range?.first === 0 ? range.totalBytes : undefined
}
