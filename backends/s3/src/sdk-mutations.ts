import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  type CopyObjectCommandInput,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListPartsCommand,
  type ChecksumAlgorithm as SdkAlgorithm,
  type ChecksumType as SdkChecksumType,
  UploadPartCopyCommand,
} from '@aws-sdk/client-s3'
import type {
  CompletedPart,
  CompleteOptions,
  CopyOptions,
  MutationOperations,
  PartCopyOptions,
  PartListing,
  UploadListing,
  UploadListOptions,
  WriteOptions,
  WriteResult,
} from '@forebay/backend-port/backend'
import { parseEtag } from '@forebay/backend-transport/answer-headers'
import { tagList } from '@forebay/backend-transport/conditional-headers'
import { type Checksum, checksumToBase64 } from '@forebay/model/checksum'
import { encodePath } from '@forebay/s3/sigv4/canonical'
import { formatTaggingHeader } from '@forebay/s3/tagging'
import { parseChecksum, realVersionId } from './answer-headers.ts'
import { callSdk } from './call-sdk.ts'
import { decodeName } from './list-objects.ts'
import type { Place } from './read-object.ts'

/** The operations of `MutationOperations` that carry no object bytes. */
export type SdkMutations = Omit<MutationOperations, 'write' | 'writePart'>

/** Copies, deletes and the administration of multipart uploads, by the vendor's SDK. */
export function createSdkMutations(place: Place): SdkMutations {
  const { bucket: Bucket } = place
  return {
    copy: (options) => copyObject(place, options),
    delete: async ({ key, conditions, signal }) => {
      const command = new DeleteObjectCommand({
        Bucket,
        Key: key,
        IfMatch: tagList(conditions.ifMatch),
      })
      await callSdk(place.connection, describe(place, 'DELETE', key), {
        signal,
        send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
      })
    },
    createUpload: (options) => createUpload(place, options),
    copyPart: (options) => copyPart(place, options),
    completeUpload: (options) => completeUpload(place, options),
    abortUpload: async ({ key, uploadId, signal }) => {
      const command = new AbortMultipartUploadCommand({ Bucket, Key: key, UploadId: uploadId })
      await callSdk(place.connection, describe(place, 'abort of an upload of', key), {
        signal,
        send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
      })
    },
    listParts: (options) => listParts(place, options),
    listUploads: (options) => listUploads(place, options),
  }
}

type Copied = WriteResult & { readonly lastModifiedMs: number | undefined }

async function copyObject(place: Place, options: CopyOptions): Promise<Copied> {
  const command = new CopyObjectCommand({
    Bucket: place.bucket,
    Key: options.key,
    ...sourceInput(options),
    MetadataDirective: options.replaceMetadata ? 'REPLACE' : 'COPY',
    ...(options.replaceMetadata ? describingInput(options) : {}),
    ...(options.replaceTags === true
      ? { TaggingDirective: 'REPLACE', Tagging: formatTaggingHeader(options.tags ?? []) }
      : {}),
    StorageClass: asInput<CopyObjectCommandInput['StorageClass']>(options.storageClass),
    IfMatch: tagList(options.conditions.ifMatch),
    IfNoneMatch: tagList(options.conditions.ifNoneMatch),
  })
  const answer = await callSdk(place.connection, describe(place, 'COPY', options.key), {
    signal: options.signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  const result = answer.CopyObjectResult ?? {}
  return {
    etag: parseEtag(result.ETag)?.etag,
    versionId: realVersionId(answer.VersionId),
    checksums: sdkChecksums(result),
    lastModifiedMs: result.LastModified?.getTime(),
  }
}

async function copyPart(place: Place, options: PartCopyOptions): Promise<Copied> {
  const { sourceRange } = options
  const command = new UploadPartCopyCommand({
    Bucket: place.bucket,
    Key: options.key,
    UploadId: options.uploadId,
    PartNumber: options.partNumber,
    ...sourceInput(options),
    CopySourceRange:
      sourceRange === undefined ? undefined : `bytes=${sourceRange.first}-${sourceRange.last}`,
  })
  const answer = await callSdk(
    place.connection,
    describe(place, 'copy of a part of', options.key),
    {
      signal: options.signal,
      send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
    },
  )
  const result = answer.CopyPartResult ?? {}
  return {
    etag: parseEtag(result.ETag)?.etag,
    checksums: sdkChecksums(result),
    lastModifiedMs: result.LastModified?.getTime(),
  }
}

/** A pin of the source holds beside the caller's own conditions: S3 takes one tag, ours is exact. */
function sourceInput(
  options: Pick<CopyOptions, 'sourceBucket' | 'sourceConditions' | 'sourceKey' | 'sourcePin'>,
): {
  CopySource: string
  CopySourceIfMatch?: string | undefined
  CopySourceIfNoneMatch?: string | undefined
  CopySourceIfModifiedSince?: Date | undefined
  CopySourceIfUnmodifiedSince?: Date | undefined
} {
  const { sourceBucket, sourceKey, sourcePin: pin, sourceConditions: conditions } = options
  const version =
    pin?.kind === 'version-id' ? `?versionId=${encodeURIComponent(pin.versionId)}` : ''
  const unmodifiedMs =
    pin?.kind === 'last-modified' ? pin.lastModifiedMs : conditions.ifUnmodifiedSinceMs
  return {
    CopySource: `${encodePath(`${sourceBucket}/${sourceKey}`)}${version}`,
    CopySourceIfMatch: tagList(pin?.kind === 'etag' ? [pin.etag] : conditions.ifMatch),
    CopySourceIfNoneMatch: tagList(conditions.ifNoneMatch),
    CopySourceIfModifiedSince: dateInput(conditions.ifModifiedSinceMs),
    CopySourceIfUnmodifiedSince: dateInput(unmodifiedMs),
  }
}

async function createUpload(
  place: Place,
  options: Parameters<MutationOperations['createUpload']>[0],
): Promise<{ readonly uploadId: string }> {
  const command = new CreateMultipartUploadCommand({
    Bucket: place.bucket,
    Key: options.key,
    ...describingInput(options),
    ...(options.tags === undefined || options.tags.length === 0
      ? {}
      : { Tagging: formatTaggingHeader(options.tags) }),
    StorageClass: asInput<CopyObjectCommandInput['StorageClass']>(options.storageClass),
    ChecksumAlgorithm: asInput<SdkAlgorithm>(options.checksumAlgorithm?.toUpperCase()),
    ChecksumType: asInput<SdkChecksumType>(options.checksumKind?.toUpperCase()),
  })
  const answer = await callSdk(place.connection, describe(place, 'upload of', options.key), {
    signal: options.signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  return { uploadId: answer.UploadId ?? '' }
}

async function completeUpload(place: Place, options: CompleteOptions): Promise<WriteResult> {
  const { key, uploadId, parts, conditions, checksum, signal } = options
  const command = new CompleteMultipartUploadCommand({
    Bucket: place.bucket,
    Key: key,
    UploadId: uploadId,
    MultipartUpload: { Parts: parts.map(partInput) },
    IfMatch: tagList(conditions.ifMatch),
    IfNoneMatch: tagList(conditions.ifNoneMatch),
    ...checksumInput(checksum),
    ...(checksum === undefined
      ? {}
      : { ChecksumType: checksum.kind === 'whole' ? 'FULL_OBJECT' : 'COMPOSITE' }),
  })
  const answer = await callSdk(place.connection, describe(place, 'completion of', key), {
    signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  return {
    etag: parseEtag(answer.ETag)?.etag,
    versionId: realVersionId(answer.VersionId),
    checksums: sdkChecksums(answer),
  }
}

function partInput({ partNumber, etag, checksum }: CompletedPart): {
  PartNumber: number
  ETag: string
} {
  return { PartNumber: partNumber, ETag: `"${etag}"`, ...checksumInput(checksum) }
}

async function listParts(
  place: Place,
  options: Parameters<MutationOperations['listParts']>[0],
): Promise<PartListing> {
  const command = new ListPartsCommand({
    Bucket: place.bucket,
    Key: options.key,
    UploadId: options.uploadId,
    PartNumberMarker: String(options.afterPart),
    MaxParts: options.pageMax,
  })
  const page = await callSdk(place.connection, describe(place, 'list of parts of', options.key), {
    signal: options.signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  return {
    parts: (page.Parts ?? []).map((part) => ({
      partNumber: part.PartNumber ?? 0,
      sizeBytes: part.Size ?? 0,
      etag: parseEtag(part.ETag)?.etag ?? '',
      lastModifiedMs: part.LastModified?.getTime() ?? 0,
      checksums: sdkChecksums(part),
    })),
    nextPartNumber: page.IsTruncated === true ? Number(page.NextPartNumberMarker) : undefined,
    checksumAlgorithm: page.ChecksumAlgorithm?.toLowerCase(),
    checksumKind: page.ChecksumType,
    storageClass: page.StorageClass,
  }
}

async function listUploads(place: Place, options: UploadListOptions): Promise<UploadListing> {
  const { prefix, delimiter, keyMarker, uploadIdMarker, pageMax, signal } = options
  const command = new ListMultipartUploadsCommand({
    Bucket: place.bucket,
    Prefix: prefix,
    Delimiter: delimiter === '' ? undefined : delimiter,
    KeyMarker: keyMarker,
    UploadIdMarker: uploadIdMarker,
    MaxUploads: pageMax,
    EncodingType: 'url',
  })
  const page = await callSdk(place.connection, describe(place, 'list of uploads of', prefix), {
    signal,
    send: (sdk, abortSignal) => sdk.send(command, { abortSignal }),
  })
  const decode = page.EncodingType === 'url' ? decodeName : (name: string) => name
  const truncated = page.IsTruncated === true
  return {
    uploads: (page.Uploads ?? []).map((upload) => ({
      key: decode(upload.Key ?? ''),
      uploadId: upload.UploadId ?? '',
      initiatedMs: upload.Initiated?.getTime() ?? 0,
      storageClass: upload.StorageClass,
      checksumAlgorithm: upload.ChecksumAlgorithm?.toLowerCase(),
      checksumKind: upload.ChecksumType,
    })),
    commonPrefixes: (page.CommonPrefixes ?? []).map((entry) => decode(entry.Prefix ?? '')),
    truncated,
    nextKeyMarker: truncated ? decode(page.NextKeyMarker ?? '') : undefined,
    nextUploadIdMarker: truncated ? page.NextUploadIdMarker : undefined,
  }
}

function describingInput(options: Pick<WriteOptions, 'headers' | 'metadata'>): {
  ContentType?: string | undefined
  ContentEncoding?: string | undefined
  ContentLanguage?: string | undefined
  ContentDisposition?: string | undefined
  CacheControl?: string | undefined
  WebsiteRedirectLocation?: string | undefined
  Expires?: Date | undefined
  Metadata?: Record<string, string>
} {
  const { headers, metadata } = options
  return {
    ContentType: headers.contentType,
    ContentEncoding: headers.contentEncoding,
    ContentLanguage: headers.contentLanguage,
    ContentDisposition: headers.contentDisposition,
    CacheControl: headers.cacheControl,
    WebsiteRedirectLocation: headers.websiteRedirect,
    Expires: dateInput(headers.expires === undefined ? undefined : Date.parse(headers.expires)),
    Metadata: { ...metadata },
  }
}

type SdkChecksums = Partial<
  Record<
    'ChecksumCRC32' | 'ChecksumCRC32C' | 'ChecksumCRC64NVME' | 'ChecksumSHA1' | 'ChecksumSHA256',
    string
  >
>

function sdkChecksums(answer: SdkChecksums & { readonly ChecksumType?: string }): Checksum[] {
  const { ChecksumType: type } = answer
  return [
    parseChecksum('crc32', answer.ChecksumCRC32, type),
    parseChecksum('crc32c', answer.ChecksumCRC32C, type),
    parseChecksum('crc64nvme', answer.ChecksumCRC64NVME, type),
    parseChecksum('sha1', answer.ChecksumSHA1, type),
    parseChecksum('sha256', answer.ChecksumSHA256, type),
  ].filter((checksum) => checksum !== undefined)
}

function checksumInput(checksum: Checksum | undefined): SdkChecksums {
  if (checksum === undefined) return {}
  const text = checksumToBase64(checksum)
  switch (checksum.algorithm) {
    case 'crc32':
      return { ChecksumCRC32: text }
    case 'crc32c':
      return { ChecksumCRC32C: text }
    case 'crc64nvme':
      return { ChecksumCRC64NVME: text }
    case 'sha1':
      return { ChecksumSHA1: text }
    case 'sha256':
      return { ChecksumSHA256: text }
    case 'md5':
    case 'xxh64':
    case 'sha512':
    case 'xxh3':
    case 'xxh128':
      return {}
    default:
      return checksum.algorithm satisfies never
  }
}

function dateInput(ms: number | undefined): Date | undefined {
  return ms === undefined || Number.isNaN(ms) ? undefined : new Date(ms)
}

/** The SDK types known words only; the store decides about others. */
function asInput<T>(word: string | undefined): T | undefined {
  // The SDK sends any string; its union lists the words of the day it was published.
  return word as T | undefined
}

function describe(place: Place, verb: string, key: string): string {
  return `${verb} s3://${place.bucket}/${key}`
}
