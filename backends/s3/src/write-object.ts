import type {
  PartOptions,
  UploadBody,
  WriteOptions,
  WriteResult,
} from '@forebay/backend-port/backend'
import { writeConditionHeaders } from '@forebay/backend-transport/conditional-headers'
import type { WireAnswer } from '@forebay/backend-transport/exchange'
import { UploadStream } from '@forebay/backend-transport/upload-stream'
import { Failure } from '@forebay/base/failure'
import { readFields } from './answer-fields.ts'
import { checksumsOf, validatorsOf } from './answer-headers.ts'
import { describe, type ObjectRequest, sendRequest } from './connection.ts'
import { type Place, refusalOf } from './read-object.ts'
import { checksumHeaders, describingHeaders } from './request-headers.ts'

/** PUT of a whole object; committed by the store when its last byte has arrived. */
export function writeObject(
  place: Place,
  options: WriteOptions,
  body: UploadBody,
): Promise<WriteResult> {
  const digests = checksumHeaders(options)
  // A stated digest already keeps a store from taking a part for the whole.
  const stated = Object.keys(digests).length > 0
  return put(
    {
      method: 'PUT',
      bucket: place.bucket,
      key: options.key,
      headers: {
        ...describingHeaders(options),
        ...digests,
        ...writeConditionHeaders(options.conditions),
      },
      upload: new UploadStream(body, stated ? 'plain' : place.connection.uploadFraming),
      signal: options.signal,
    },
    { place, contentMd5Hex: options.contentMd5Hex },
  )
}

/** PUT of one part of an upload. */
export function writePart(
  place: Place,
  options: PartOptions,
  body: UploadBody,
): Promise<WriteResult> {
  return put(
    {
      method: 'PUT',
      bucket: place.bucket,
      key: options.key,
      query: { partNumber: String(options.partNumber), uploadId: options.uploadId },
      headers: checksumHeaders(options),
      // A part that was cut cannot be named in the completion: nobody knows its ETag.
      upload: new UploadStream(body, 'plain'),
      signal: options.signal,
    },
    { place, contentMd5Hex: options.contentMd5Hex },
  )
}

interface PutContext {
  readonly place: Place
  readonly contentMd5Hex: string | undefined
}

async function put(request: ObjectRequest, context: PutContext): Promise<WriteResult> {
  const { upload } = request
  // Without bytes there is nothing to withhold, so the source's verdict is asked for beforehand.
  if (upload?.lengthBytes === 0) for await (const _ of upload.iterate());
  const answer = await sendRequest(context.place.connection, request)
  if (answer.status !== 200) throw await refusalOf(answer, request)
  await answer.body.readText(ANSWER_BYTES_MAX)
  return resultOf(answer, request, context)
}

/** A PUT is answered without a body; some stores send a word. */
const ANSWER_BYTES_MAX = 64 * 1024

function resultOf(answer: WireAnswer, request: ObjectRequest, context: PutContext): WriteResult {
  const fields = readFields(answer.headers)
  const validators = validatorsOf(fields)
  const { etag, versionId, dateMs } = validators
  const checksums = checksumsOf(fields, validators)
  const md5 = checksums.find(({ algorithm }) => algorithm === 'md5')
  const { contentMd5Hex } = context
  if (contentMd5Hex !== undefined && md5 !== undefined && md5.hex !== contentMd5Hex) {
    const message = `${describe(request)}: the store has bytes with MD5 ${md5.hex}, not ${contentMd5Hex}`
    throw new Failure('backend-corrupt', message)
  }
  return { etag, versionId, dateMs, checksums, originHeaders: fields.originHeaders }
}
