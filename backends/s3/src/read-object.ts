import type { HeadResult, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { acceptAnswer } from '@forebay/backend-transport/accept-answer'
import { contentLengthOf } from '@forebay/backend-transport/answer-headers'
import { pinHeaders, unlessHeaders } from '@forebay/backend-transport/conditional-headers'
import { headerOf, type WireAnswer } from '@forebay/backend-transport/exchange'
import { Failure } from '@forebay/base/failure'
import { attributesOf, isArchived } from './answer-headers.ts'
import { classifyRefusal, readErrorXml } from './classify-error.ts'
import { type Connection, describe, type ObjectRequest, sendRequest } from './connection.ts'

/** An error document is read up to here; S3's have under 1 KiB. */
const ERROR_BYTES_MAX = 64 * 1024

/** Where an object lies. */
export interface Place {
  readonly connection: Connection
  readonly bucket: string
}

/**
 * GET of an object or a range of it.
 *
 * Nothing that the store was asked for is believed: status, range, lengths and version of the answer
 * are compared with the request, because stores and proxies ignore headers that they do not know.
 */
export async function readObject(place: Place, options: ReadOptions): Promise<ReadResult> {
  const { key, range, pin, unless, signal } = options
  const request: ObjectRequest = {
    method: 'GET',
    bucket: place.bucket,
    key,
    query: pin?.kind === 'version-id' ? { versionId: pin.versionId } : undefined,
    headers: {
      ...(range === undefined
        ? // The checksum of the whole says nothing about a part of it.
          { 'x-amz-checksum-mode': 'ENABLED' }
        : { range: `bytes=${range.offset}-${range.offset + range.lengthBytes - 1}` }),
      ...pinHeaders(pin),
      ...unlessHeaders(unless),
    },
    signal,
  }
  const answer = await sendRequest(place.connection, request)
  if (answer.status !== 200 && answer.status !== 206) return readRefusal(answer, request, options)
  try {
    return acceptAnswer(answer, { what: describe(request), read: options, attributesOf })
  } catch (error) {
    answer.body.discard()
    throw error
  }
}

/** What an answer other than 200 and 206 to a GET comes to. */
async function readRefusal(
  answer: WireAnswer,
  request: ObjectRequest,
  options: ReadOptions,
): Promise<ReadResult> {
  const failure = await refusalOf(answer, request)
  if (answer.status === 304 && options.unless !== undefined) return { kind: 'not-modified' }
  const pinned = options.pin !== undefined && options.pin.kind !== 'none'
  switch (failure.code) {
    case 'object-not-found':
      return { kind: 'absent' }
    case 'precondition-failed':
    case 'version-not-found':
      if (pinned) return { kind: 'changed' }
      throw failure
    default:
      throw failure
  }
}

/** The failure that an answer means; reads its error document and thereby frees the connection. */
export async function refusalOf(
  answer: WireAnswer,
  request: Pick<ObjectRequest, 'bucket' | 'key' | 'method'>,
): Promise<Failure> {
  const { status, headers, body } = answer
  // The document only explains; a connection that breaks in it changes nothing about the status.
  const text = await body.readText(ERROR_BYTES_MAX).catch(() => '')
  return classifyRefusal(
    {
      status,
      ...readErrorXml(text),
      retryAfter: headerOf(headers, 'retry-after'),
      region: headerOf(headers, 'x-amz-bucket-region'),
    },
    describe(request),
  )
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
  const { versionId } = options
  const request: ObjectRequest = {
    method: 'HEAD',
    bucket: place.bucket,
    key: options.key,
    query: versionId === undefined ? undefined : { versionId },
    headers: { 'x-amz-checksum-mode': 'ENABLED' },
    signal: options.signal,
  }
  const answer = await sendRequest(place.connection, request)
  const failure = answer.status === 200 ? undefined : await refusalOf(answer, request)
  if (failure !== undefined) {
    if (failure.code === 'object-not-found') return { kind: 'absent' }
    throw failure
  }
  await answer.body.pump(() => undefined)
  const sizeBytes = contentLengthOf(answer.headers)
  if (sizeBytes === undefined) {
    throw new Failure('backend-corrupt', `${describe(request)}: the answer has no Content-Length`)
  }
  const archived = isArchived(answer.headers)
  return { kind: 'found', attributes: attributesOf(answer.headers, sizeBytes), archived }
}
