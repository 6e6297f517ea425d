import { createHash } from 'node:crypto'
import type {
  Call,
  CompleteOptions,
  MutationOperations,
  PartCopyOptions,
  PartListing,
  PartOptions,
  UploadBody,
  UploadListing,
  UploadListOptions,
  WriteResult,
} from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import { compareKeys } from '@forebay/model/key'
import { bytesOf } from './byte-source.ts'
import { completeUpload } from './complete-upload.ts'
import { checkCondition, judge, resultOf, sourceOf, unsupported } from './judge.ts'
import type { Place } from './memory-backend.ts'
import type { PendingPart, PendingUpload } from './memory-bucket.ts'
import { type Request, serve } from './serve.ts'
import { verifyChecksums } from './verify-checksums.ts'

type MultipartOperations = Omit<MutationOperations, 'write' | 'copy' | 'delete'>

/** Multipart uploads of one bucket, by the rules of the S3 API. */
export function createMultipart(place: Place): MultipartOperations {
  const { store, bucket } = place
  return {
    createUpload: (options) =>
      serve(place, multipart(place, 'create-upload', options), () => {
        const { key, headers, metadata, storageClass, tags } = options
        const { checksumAlgorithm, checksumKind } = options
        const stated = { checksumAlgorithm, checksumKind, initiatedMs: store.clock.now() }
        const upload = { key, headers, metadata, storageClass, tags, ...stated }
        return { uploadId: store.bucket(bucket).createUpload(upload) }
      }),
    writePart: (options, body) => writePart(place, options, body),
    copyPart: (options) => copyPart(place, options),
    completeUpload: (options) => complete(place, options),
    abortUpload: (options) =>
      serve(place, multipart(place, 'abort-upload', options), () => {
        store.bucket(bucket).upload(options.key, options.uploadId)
        store.bucket(bucket).endUpload(options.uploadId)
      }),
    listParts: (options) =>
      serve(place, multipart(place, 'list-parts', options), () => listParts(place, options)),
    listUploads: (options) =>
      serve(place, multipart(place, 'list-uploads', options), () => listUploads(place, options)),
  }
}

function writePart(place: Place, options: PartOptions, body: UploadBody): Promise<WriteResult> {
  const { store } = place
  const request = { ...multipart(place, 'write-part', options), upload: body }
  return serve(place, request, (_, bytes) => {
    verifyChecksums(bytes, options)
    const part = placePart(place, options, bytes)
    return { etag: part.etag, checksums: part.checksums, dateMs: store.clock.now() }
  })
}

function copyPart(
  place: Place,
  options: PartCopyOptions,
): Promise<WriteResult & { readonly lastModifiedMs: number | undefined }> {
  const { store } = place
  return serve(place, multipart(place, 'copy-part', options), () => {
    const { source } = sourceOf(place, options)
    const first = options.sourceRange?.first ?? 0
    const last = options.sourceRange?.last ?? source.sizeBytes - 1
    if (last >= source.sizeBytes) {
      const message = `byte ${last} is not in a source of ${source.sizeBytes} bytes`
      throw new Failure('range-not-satisfiable', message)
    }
    const part = placePart(place, options, source.slice(first, last - first + 1))
    const { etag, checksums, lastModifiedMs } = part
    return { etag, checksums, lastModifiedMs, dateMs: store.clock.now() }
  })
}

/** A part of the same number is replaced. */
function placePart(place: Place, options: PartOptions, bytes: Buffer): PendingPart {
  const { partNumber, checksums } = options
  if (!Number.isInteger(partNumber) || partNumber < 1 || partNumber > PARTS_MAX) {
    throw new Failure('backend-refused', `part number ${partNumber} is not in 1..${PARTS_MAX}`)
  }
  const upload = place.store.bucket(place.bucket).upload(options.key, options.uploadId)
  const part = {
    source: bytesOf(bytes),
    etag: createHash('md5').update(bytes).digest('hex'),
    lastModifiedMs: place.store.clock.now(),
    checksums,
  }
  upload.parts.set(partNumber, part)
  return part
}

function complete(place: Place, options: CompleteOptions): Promise<WriteResult> {
  const { store } = place
  return serve(place, multipart(place, 'complete-upload', options), () => {
    const bucket = store.bucket(place.bucket)
    const upload = bucket.upload(options.key, options.uploadId)
    checkCondition(place, options.conditions)
    const content = completeUpload(upload, options, {
      partBytesMin: store.partBytesMin,
      nowMs: store.clock.now(),
    })
    judge(options.conditions, bucket.current(options.key))
    bucket.endUpload(options.uploadId)
    return resultOf(place, bucket.put(options.key, content))
  })
}

function multipart(
  place: Place,
  operation: Request['operation'],
  options: { readonly key?: string } & Call,
): Request {
  if (place.capabilities.multipart !== 'native') throw unsupported('multipart upload')
  return { ...options, operation, key: options.key }
}

function listParts(
  place: Place,
  options: Parameters<MutationOperations['listParts']>[0],
): PartListing {
  const upload = place.store.bucket(place.bucket).upload(options.key, options.uploadId)
  const numbers = [...upload.parts.keys()].sort((a, b) => a - b)
  const behind = numbers.filter((partNumber) => partNumber > options.afterPart)
  const page = behind.slice(0, options.pageMax)
  return {
    parts: page.flatMap((partNumber) => {
      const part = upload.parts.get(partNumber)
      if (part === undefined) return []
      const { source, etag, lastModifiedMs, checksums } = part
      return [{ partNumber, sizeBytes: source.sizeBytes, etag, lastModifiedMs, checksums }]
    }),
    nextPartNumber: behind.length > page.length ? page.at(-1) : undefined,
    checksumAlgorithm: upload.checksumAlgorithm,
    checksumKind: upload.checksumKind,
    storageClass: upload.storageClass,
  }
}

function listUploads(place: Place, options: UploadListOptions): UploadListing {
  const { prefix, delimiter, pageMax } = options
  const uploads: UploadListing['uploads'][number][] = []
  const commonPrefixes: string[] = []
  let truncated = false
  let marker: { readonly key: string; readonly uploadId?: string } | undefined
  for (const { uploadId, upload } of place.store.bucket(place.bucket).sortedUploads()) {
    if (!upload.key.startsWith(prefix) || !isBehindMarkers(upload.key, uploadId, options)) continue
    const at = delimiter ? upload.key.indexOf(delimiter, prefix.length) : -1
    const common = at < 0 ? undefined : upload.key.slice(0, at + (delimiter?.length ?? 0))
    if (
      common !== undefined &&
      (common === commonPrefixes.at(-1) || common === options.keyMarker)
    ) {
      continue
    }
    if (uploads.length + commonPrefixes.length >= pageMax) {
      truncated = pageMax > 0
      break
    }
    if (common === undefined) uploads.push(listed(uploadId, upload))
    else commonPrefixes.push(common)
    marker = common === undefined ? { key: upload.key, uploadId } : { key: common }
  }
  return {
    uploads,
    commonPrefixes,
    truncated,
    nextKeyMarker: truncated ? marker?.key : undefined,
    nextUploadIdMarker: truncated ? marker?.uploadId : undefined,
  }
}

function listed(uploadId: string, upload: PendingUpload): UploadListing['uploads'][number] {
  const { key, initiatedMs, storageClass, checksumAlgorithm, checksumKind } = upload
  return { key, uploadId, initiatedMs, storageClass, checksumAlgorithm, checksumKind }
}

/** Behind the key marker, or at it and behind the upload id marker (S3 API). */
function isBehindMarkers(key: string, uploadId: string, options: UploadListOptions): boolean {
  const { keyMarker, uploadIdMarker } = options
  if (keyMarker === undefined) return true
  const order = compareKeys(key, keyMarker)
  if (order !== 0) return order > 0
  return uploadIdMarker !== undefined && compareKeys(uploadId, uploadIdMarker) > 0
}
