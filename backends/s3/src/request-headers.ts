import { type Headers, present } from '@forebay/backend-transport/conditional-headers'
import { type Checksum, type ChecksumAlgorithm, checksumToBase64 } from '@forebay/model/checksum'
import type { StoredHeaders, Tags, UserMetadata } from '@forebay/model/object'
import { formatTaggingHeader } from '@forebay/s3/tagging'

/** The headers of a PUT that describe the object. */
export function describingHeaders(described: {
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly storageClass?: string | undefined
  readonly tags?: Tags | undefined
}): Headers {
  const { headers, metadata, storageClass, tags } = described
  const metaHeaders: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata)) metaHeaders[`x-amz-meta-${name}`] = value
  return present({
    'content-type': headers.contentType,
    'content-encoding': headers.contentEncoding,
    'content-language': headers.contentLanguage,
    'content-disposition': headers.contentDisposition,
    'cache-control': headers.cacheControl,
    expires: headers.expires,
    'x-amz-storage-class': storageClass,
    'x-amz-website-redirect-location': headers.websiteRedirect,
    'x-amz-tagging':
      tags === undefined || tags.length === 0 ? undefined : formatTaggingHeader(tags),
    ...metaHeaders,
  })
}

/** Algorithms that every store of the S3 API verifies. */
const STORE_ALGORITHMS: ReadonlySet<ChecksumAlgorithm> = new Set<ChecksumAlgorithm>([
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
])

/**
 * The checksums that the store shall verify. Those that not every
 * store knows are verified here alone. */
export function checksumHeaders(stated: {
  readonly checksums: readonly Checksum[]
  readonly contentMd5Hex?: string | undefined
}): Headers {
  const headers: Record<string, string> = {}
  if (stated.contentMd5Hex !== undefined) headers['content-md5'] = base64(stated.contentMd5Hex)
  for (const checksum of stated.checksums) {
    if (checksum.kind !== 'whole') continue
    if (checksum.algorithm === 'md5') headers['content-md5'] = base64(checksum.hex)
    else if (STORE_ALGORITHMS.has(checksum.algorithm)) {
      headers[`x-amz-checksum-${checksum.algorithm}`] = checksumToBase64(checksum)
    }
  }
  // One only: S3 refuses a request with two x-amz-checksum headers.
  const [first] = Object.keys(headers).filter((name) => name !== 'content-md5')
  return present({
    'content-md5': headers['content-md5'],
    ...(first === undefined ? {} : { [first]: headers[first] }),
  })
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}
