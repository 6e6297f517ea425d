import type { UploadBody, WriteOptions } from '@forebay/backend-port/backend'
import { UploadStream } from '@forebay/backend-transport/upload-stream'
import { Failure } from '@forebay/base/failure'
import { md5Of } from './answer-headers.ts'
import { type AzureRequest, describe, objectPath, type Place } from './connection.ts'
import { conditionHeaders, describingHeaders } from './request-headers.ts'
import { base64, sendForHeaders, statedMd5Hex, type Written, writtenOf } from './send-write.ts'
import { writeInBlocks } from './write-blocks.ts'

/**
 * Writes a whole object: in one request, or in blocks where it is larger than `singlePutBytesMax`.
 *
 * The service commits one request when its last byte has come; blocks when their list has, so there a
 * body that was cut is nothing but blocks that nobody names. Azure drops them after a week.
 */
export function writeObject(
  place: Place,
  options: WriteOptions,
  body: UploadBody,
): Promise<Written> {
  return body.lengthBytes > place.connection.singlePutBytesMax
    ? writeInBlocks(place, options, body)
    : putBlob(place, options, body)
}

async function putBlob(place: Place, options: WriteOptions, body: UploadBody): Promise<Written> {
  const what = describe('PUT', place.bucket, options.key)
  const upload = new UploadStream(body, 'plain')
  const md5Hex = statedMd5Hex(options)
  const request = {
    method: 'PUT',
    target: objectPath(place.bucket, options.key),
    headers: {
      'x-ms-blob-type': 'BlockBlob',
      ...describingHeaders(options),
      ...(md5Hex === undefined ? {} : { 'content-md5': base64(md5Hex) }),
      ...conditionHeaders(options.conditions),
    },
    upload,
    what,
    signal: options.signal,
  } satisfies AzureRequest
  // Without bytes there is nothing to withhold, so the source's verdict is asked for beforehand.
  if (body.lengthBytes === 0) for await (const _ of upload.iterate());
  const headers = await sendForHeaders(place, request)
  const checksums = md5Of(headers)
  const [kept] = checksums
  if (md5Hex !== undefined && kept !== undefined && kept.hex !== md5Hex) {
    const message = `${what}: the store has bytes with MD5 ${kept.hex}, not ${md5Hex}`
    throw new Failure('backend-corrupt', message)
  }
  return { ...writtenOf(headers), checksums }
}
