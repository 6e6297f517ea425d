import { type Checksum, type ChecksumAlgorithm, checksumToBase64 } from '@forebay/model/checksum'
import type { Conditions } from '@forebay/model/conditions'
import type { StoredHeaders, UserMetadata } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import { formatHttpDate } from '@forebay/s3/dates'

type Headers = Readonly<Record<string, string>>

/** The headers of a PUT that describe the object. */
export function describingHeaders(described: {
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  readonly storageClass?: string | undefined
}): Headers {
  const { headers, metadata, storageClass } = described
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

/** If-Match and If-None-Match of a request that writes. */
export function writeConditionHeaders(conditions: Conditions): Headers {
  return present({
    'if-match': tagList(conditions.ifMatch),
    'if-none-match': tagList(conditions.ifNoneMatch),
  })
}

/** What asks the store to answer with this version or not at all. */
export function pinHeaders(pin: Pin | undefined): Headers {
  if (pin?.kind === 'etag') return { 'if-match': quote(pin.etag) }
  if (pin?.kind === 'last-modified') {
    // A second later: stores that keep fractions refuse their own date otherwise. The answer's own
    // Last-Modified is compared in any case.
    return { 'if-unmodified-since': formatHttpDate(pin.lastModifiedMs + 1000) }
  }
  return {}
}

/** What asks the store to answer only if the version is another one. */
export function unlessHeaders(known: Pin | undefined): Headers {
  if (known?.kind === 'etag') return { 'if-none-match': quote(known.etag) }
  if (known?.kind === 'version-id' && known.etag !== undefined) {
    return { 'if-none-match': quote(known.etag) }
  }
  if (known?.kind === 'last-modified') {
    return { 'if-modified-since': formatHttpDate(known.lastModifiedMs) }
  }
  return {}
}

/** Tags as a header has them; `*` stands alone and without quotes. */
export function tagList(tags: readonly string[] | undefined): string | undefined {
  if (tags === undefined || tags.length === 0) return undefined
  return tags.map((tag) => (tag === '*' ? tag : quote(tag))).join(', ')
}

function quote(tag: string): string {
  return `"${tag}"`
}

function base64(hex: string): string {
  return Buffer.from(hex, 'hex').toString('base64')
}

function present(headers: Readonly<Record<string, string | undefined>>): Headers {
  const kept: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers)) if (value !== undefined) kept[name] = value
  return kept
}
