import type { Call, HeadResult, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { acceptAnswer } from '@forebay/backend-transport/accept-answer'
import { contentLengthOf } from '@forebay/backend-transport/answer-headers'
import { pinHeaders, unlessHeaders } from '@forebay/backend-transport/conditional-headers'
import { headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import { refuseVersionId } from '@forebay/backend-transport/no-versions'
import { Failure } from '@forebay/base/failure'
import { attributesOf, isArchived } from './answer-headers.ts'
import { refusalOf } from './classify-error.ts'
import { describe, objectPath, type Place, sendRequest } from './connection.ts'

/** GET of an object or a range of it. Nothing that the service was asked for is believed. */
export async function readObject(place: Place, options: ReadOptions): Promise<ReadResult> {
  const { key, range, pin, unless, signal } = options
  const what = describe('GET', place.bucket, key)
  const answer = await sendRequest(place.connection, {
    method: 'GET',
    target: objectPath(place.bucket, key),
    headers: {
      ...(range === undefined
        ? {}
        : { range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}` }),
      ...pinHeaders(pin),
      ...unlessHeaders(unless),
    },
    what,
    signal,
  })
  if (answer.status !== 200 && answer.status !== 206) return readRefusal(answer, what, options)
  try {
    checkRange(answer, what)
    return acceptAnswer(answer, { what, read: options, attributesOf })
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

/** Azurite's way to say that nothing is there: a range of no bytes, `1000-999/1000`. */
function checkRange(answer: WireAnswer, what: string): void {
  const text = headerOf(answer.headers, 'content-range')
  const [, first, last] = /^bytes (\d+)-(\d+)\/\d+$/.exec(text ?? '') ?? []
  if (first === undefined || Number(last) !== Number(first) - 1) return
  throw new Failure('range-not-satisfiable', `${what}: the object ends before byte ${first}`)
}

/** What an answer other than 200 and 206 to a GET comes to. */
async function readRefusal(
  answer: WireAnswer,
  what: string,
  options: ReadOptions,
): Promise<ReadResult> {
  const failure = await refusalOf(answer, what)
  if (answer.status === 304 && options.unless !== undefined) return { kind: 'not-modified' }
  const pinned = options.pin !== undefined && options.pin.kind !== 'none'
  if (failure.code === 'object-not-found') return { kind: 'absent' }
  if (failure.code === 'precondition-failed' && pinned) return { kind: 'changed' }
  throw failure
}

/** HEAD of an object. A missing container is told apart: the service names the error in a header. */
export async function headObject(
  place: Place,
  options: { readonly key: string; readonly versionId?: string | undefined } & Call,
): Promise<HeadResult> {
  const { key, versionId, signal } = options
  const what = describe('HEAD', place.bucket, key)
  refuseVersionId(what, versionId)
  const target = objectPath(place.bucket, key)
  const answer = await sendRequest(place.connection, { method: 'HEAD', target, what, signal })
  if (answer.status !== 200) {
    const failure = await refusalOf(answer, what)
    if (failure.code === 'object-not-found') return { kind: 'absent' }
    throw failure
  }
  await answer.body.pump(() => undefined)
  const sizeBytes = contentLengthOf(answer.headers)
  if (sizeBytes === undefined) {
    throw new Failure('backend-corrupt', `${what}: the answer has no Content-Length`)
  }
  const attributes = attributesOf(answer.headers, sizeBytes)
  return { kind: 'found', attributes, archived: isArchived(answer.headers) }
}
