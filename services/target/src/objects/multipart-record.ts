import { Failure } from '@forebay/base/failure'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredHeaders, Tags, UserMetadata } from '@forebay/model/object'
import type { ObjectRecord, ObjectStore } from '../store/contract.ts'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'

/** What is known of a native multipart upload; stored as the metadata of an empty system object. */
export interface UploadDescription {
  readonly uploadId: string
  readonly bucketId: number
  readonly key: string
  readonly initiatedMs: number
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly tags?: Tags | undefined
  readonly storageClass?: string | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumKind?: 'whole' | 'composite' | undefined
  /** The ETag that Complete gave or is giving the object; makes a repeated Complete harmless. */
  readonly completing?:
    | { readonly etag: string; readonly done: boolean; readonly atMs: number }
    | undefined
}

const UPLOAD_ID = /^[A-Za-z0-9_-]{1,64}\.[0-9a-f]{32}$/

/** Key of an upload's description: by bucket, then key, then id, so that a scan lists in S3's order. */
export function descriptionKey(upload: {
  readonly bucketId: number
  readonly key: string
  readonly uploadId: string
}): string {
  return `m/${upload.bucketId}/${upload.key}\0${upload.uploadId}`
}

/** Key and id of the upload that a system key describes. */
export function parseDescriptionKey(
  bucketId: number,
  systemKey: string,
): { readonly key: string; readonly uploadId: string } {
  // Keys hold no NUL.
  const nul = systemKey.lastIndexOf('\0')
  const { length } = descriptionPrefix(bucketId, '')
  return { key: systemKey.slice(length, nul), uploadId: systemKey.slice(nul + 1) }
}

/** Prefix of the descriptions of a bucket's uploads of keys with `prefix`. */
export function descriptionPrefix(bucketId: number, prefix: string): string {
  return `m/${bucketId}/${prefix}`
}

/** Key of a part; numbers are padded so that parts sort by number. */
export function partKey(uploadId: string, partNumber: number): string {
  return `p/${uploadId}/${String(partNumber).padStart(5, '0')}`
}

export function partPrefix(uploadId: string): string {
  return `p/${uploadId}/`
}

/** Number of the part that a system key names. */
export function partNumberOf(systemKey: string): number {
  return Number(systemKey.slice(systemKey.lastIndexOf('/') + 1))
}

/** True for what could be an id that we made. */
export function isUploadId(text: string): boolean {
  return UPLOAD_ID.test(text)
}

/** @throws Failure `upload-not-found` for an id that we never made, whatever it contains. */
export function checkUploadId(uploadId: string): void {
  if (!isUploadId(uploadId)) throw noSuchUpload()
}

export function noSuchUpload(): Failure {
  return new Failure(
    'upload-not-found',
    'the multipart upload does not exist: it was never begun, was aborted, or is complete',
  )
}

/** The attributes under which a description is stored. */
export function describe(description: UploadDescription): ObjectAttributes {
  return {
    sizeBytes: 0,
    etag: description.uploadId,
    lastModifiedMs: description.initiatedMs,
    headers: {},
    metadata: { upload: JSON.stringify(description) },
    checksums: [],
  }
}

/** @throws Failure `upload-not-found` */
export function findUpload(
  store: ObjectStore,
  upload: { readonly bucketId: number; readonly key: string; readonly uploadId: string },
): UploadDescription {
  checkUploadId(upload.uploadId)
  const record = store.get(SYSTEM_BUCKET_ID, descriptionKey(upload))
  if (record === undefined) throw noSuchUpload()
  return parseDescription(record)
}

/** The description that this store wrote itself: its shape is trusted, its checksum is the store's. */
export function parseDescription(record: ObjectRecord): UploadDescription {
  const text = record.attributes.metadata['upload']
  if (text === undefined)
    throw new Failure('object-corrupt', 'the description of a multipart upload is damaged')
  const description: UploadDescription = JSON.parse(text)
  return description
}
