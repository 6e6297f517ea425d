import { Failure } from '@forebay/base/failure'
import { METADATA_BYTES_MAX } from '@forebay/base/limits'
import type { StoredHeaders, UserMetadata } from '@forebay/model/object'
import { header, type RequestHeaders } from './request-headers.ts'

const META_PREFIX = 'x-amz-meta-'
const NOT_A_HEADER_VALUE = /[^\t\x20-\x7e\x80-\xff]/
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9a-z-]+$/i

/** Characters of x-amz-website-redirect-location (S3 API: 2 KB). */
const REDIRECT_LENGTH_MAX = 2048

const NO_METADATA: UserMetadata = Object.freeze(Object.create(null))

/** Storage classes of Amazon S3; a backend may keep them, we store one way. */
const STORAGE_CLASSES: ReadonlySet<string> = new Set([
  'STANDARD',
  'REDUCED_REDUNDANCY',
  'STANDARD_IA',
  'ONEZONE_IA',
  'INTELLIGENT_TIERING',
  'GLACIER',
  'DEEP_ARCHIVE',
  'OUTPOSTS',
  'GLACIER_IR',
  'SNOW',
  'EXPRESS_ONEZONE',
])

/** The headers that are stored with an object, of a PUT, a copy or a new upload. */
export function parseStoredHeaders(headers: RequestHeaders): StoredHeaders {
  return {
    contentType: headers['content-type'],
    contentEncoding: withoutChunking(headers['content-encoding']),
    contentLanguage: headers['content-language'],
    contentDisposition: headers['content-disposition'],
    cacheControl: headers['cache-control'],
    expires: headers.expires,
    ...parseWebsiteRedirect(headers),
  }
}

/** @throws Failure `redirect-invalid` */
function parseWebsiteRedirect(headers: RequestHeaders): Pick<StoredHeaders, 'websiteRedirect'> {
  const websiteRedirect = header(headers, 'x-amz-website-redirect-location')
  if (websiteRedirect === undefined) return {}
  if (
    /^(?:\/|https?:\/\/)/.test(websiteRedirect) &&
    websiteRedirect.length <= REDIRECT_LENGTH_MAX
  ) {
    return { websiteRedirect }
  }
  throw new Failure('redirect-invalid', 'the website redirect location is not valid')
}

/**
 * The user metadata of a request: names in lower case without their prefix, values as sent (one
 * character per byte). The object has no prototype: `__proto__` is a name like any other.
 *
 * @param distinct the values of repeated headers apart: S3 joins them by a bare comma, Node does not
 * @throws Failure `metadata-too-large`
 */
export function parseMetadata(
  headers: RequestHeaders,
  distinct?: () => Readonly<NodeJS.Dict<string[]>>,
): UserMetadata {
  let metadata: Record<string, string> | undefined
  let sizeBytes = 0
  for (const name in headers) {
    if (!name.startsWith(META_PREFIX)) continue
    let value = header(headers, name) ?? ''
    if (value.includes(', ')) value = distinct?.()[name]?.join(',') ?? value
    sizeBytes += name.length - META_PREFIX.length + value.length
    if (sizeBytes > METADATA_BYTES_MAX) {
      throw new Failure(
        'metadata-too-large',
        `the user metadata is larger than ${METADATA_BYTES_MAX} bytes`,
      )
    }
    metadata ??= Object.create(null) as Record<string, string> // Object.create returns any.
    metadata[name.slice(META_PREFIX.length)] = value
  }
  return metadata ?? NO_METADATA
}

/**
 * Appends user metadata to a flat list of header names and values. Names that no header can have are
 * counted in `x-amz-missing-meta`, as S3 does.
 */
export function pushMetadata(flat: (string | number)[], metadata: UserMetadata): void {
  let missing = 0
  for (const name in metadata) {
    if (HEADER_NAME.test(name)) {
      flat.push(META_PREFIX + name, toHeaderValue(metadata[name] ?? ''))
    } else {
      missing++
    }
  }
  if (missing > 0) flat.push('x-amz-missing-meta', missing)
}

/** A value as a header can carry it: as it is, or encoded (RFC 2047) where it has other characters. */
export function toHeaderValue(value: string): string {
  if (!NOT_A_HEADER_VALUE.test(value)) return value
  return `=?UTF-8?B?${Buffer.from(value).toString('base64')}?=`
}

/**
 * The storage class that a write asks for.
 *
 * @returns `undefined` for STANDARD and for none
 * @throws Failure `storage-class-invalid` for a word that S3 does not know
 */
export function parseStorageClass(headers: RequestHeaders): string | undefined {
  const name = header(headers, 'x-amz-storage-class')
  if (name === undefined || name === 'STANDARD') return undefined
  if (!STORAGE_CLASSES.has(name)) {
    throw new Failure('storage-class-invalid', 'the storage class is not valid')
  }
  return name
}

/** `aws-chunked` says how the body travels, not what it is: it is not stored. */
function withoutChunking(encoding: string | undefined): string | undefined {
  if (encoding === undefined || !/aws-chunked/i.test(encoding)) return encoding
  const rest = encoding
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding.toLowerCase() !== 'aws-chunked')
  return rest.length === 0 ? undefined : rest.join(', ')
}
