import { Failure } from '@forebay/base/failure'
import type { ObjectAddress, UploadAddress } from '@forebay/peer/target-port'
import type { Exchange } from './exchange.ts'

/** Longest upload id that is looked at, characters; ids of S3 have about 150. */
const UPLOAD_ID_LENGTH_MAX = 1024

/** The upload that a request names. @throws Failure `upload-not-found` for what cannot be an id */
export function uploadAddress(exchange: Exchange, address: ObjectAddress): UploadAddress {
  const uploadId = exchange.target.query.get('uploadId') ?? ''
  if (uploadId === '' || uploadId.length > UPLOAD_ID_LENGTH_MAX) {
    throw new Failure('upload-not-found', 'the specified upload does not exist')
  }
  return { bucket: address.bucket, key: address.key, uploadId, signal: exchange.signal }
}
