import type { HeadResult, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { acceptAnswer } from '@forebay/backend-transport/accept-answer'
import { contentLengthOf } from '@forebay/backend-transport/answer-headers'
import type { Headers } from '@forebay/backend-transport/conditional-headers'
import type { WireAnswer } from '@forebay/backend-transport/exchange'
import { refuseVersionId } from '@forebay/backend-transport/no-versions'
import { Failure, isFailure } from '@forebay/base/failure'
import { matchesPin, type Pin } from '@forebay/model/version'
import { checkBucketOf } from './buckets.ts'
import { refusalOf } from './classify-error.ts'
import { describe, type GcsRequest, objectPath, type Place, sendRequest } from './connection.ts'
import { attributesOfHeaders } from './object-version.ts'

/** Objects stored with gzip are served as they are stored, never decoded (rule 6). */
const AS_STORED: Headers = { 'accept-encoding': 'gzip' }

/**
 * GET of an object or a range of it.
 *
 * Nothing that the store was asked for is believed: status, range, lengths, encoding and version of
 * the answer are compared with the request.
 */
export async function readObject(place: Place, options: ReadOptions): Promise<ReadResult> {
  const { key, range, pin, unless, signal } = options
  // The XML API has no "unless this generation", so its HEAD says whether there is something new.
  if (unless !== undefined && (await isStill(unless, place, options))) {
    return { kind: 'not-modified' }
  }
  const what = describe('GET', place.bucket, key)
  const request: GcsRequest = {
    method: 'GET',
    path: objectPath(place.bucket, key),
    // A bucket with versions still has the pinned one after a change.
    query: pin?.kind === 'generation' ? { generation: pin.generation } : undefined,
    headers:
      range === undefined
        ? AS_STORED
        : {
            ...AS_STORED,
            range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}`,
          },
    signal,
    what,
  }
  const answer = await sendRequest(place.connection, request)
  if (answer.status !== 200 && answer.status !== 206) return readRefusal(answer, place, options)
  try {
    return acceptAnswer(answer, { what, read: options, attributesOf: attributesOfHeaders })
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

async function isStill(known: Pin, place: Place, options: ReadOptions): Promise<boolean> {
  const head = await headObject(place, options)
  return head.kind === 'found' && matchesPin(known, head.attributes.validators ?? {})
}

function generationOf(pin: Pin | undefined): string | undefined {
  return pin?.kind === 'generation' ? pin.generation : undefined
}

/** What an answer other than 200 and 206 to a GET comes to. */
async function readRefusal(
  answer: WireAnswer,
  place: Place,
  options: ReadOptions,
): Promise<ReadResult> {
  const failure = await refusalOf(answer, describe('GET', place.bucket, options.key))
  if (!isFailure(failure, 'object-not-found')) throw failure
  await checkBucketOf(place, failure, options.signal)
  // The pinned generation is gone; whether another one is there is for the next read.
  return generationOf(options.pin) === undefined ? { kind: 'absent' } : { kind: 'changed' }
}

/** HEAD of an object. A missing bucket looks like a missing object: the answer has no document. */
export async function headObject(
  place: Place,
  options: {
    readonly key: string
    readonly versionId?: string | undefined
    readonly signal: AbortSignal
  },
): Promise<HeadResult> {
  const { key, signal } = options
  const what = describe('HEAD', place.bucket, key)
  refuseVersionId(what, options.versionId)
  const path = objectPath(place.bucket, key)
  const request: GcsRequest = { method: 'HEAD', path, headers: AS_STORED, signal, what }
  const answer = await sendRequest(place.connection, request)
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
  // Every storage class can be read at once, ARCHIVE too.
  return { kind: 'found', attributes: attributesOfHeaders(answer.headers, sizeBytes) }
}
