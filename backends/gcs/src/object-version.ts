import { dateOf } from '@forebay/backend-transport/answer-headers'
import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'
import { SharedHeaders } from '@forebay/backend-transport/shared-headers'
import { Failure } from '@forebay/base/failure'
import type { Checksum } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredHeaders, UserMetadata } from '@forebay/model/object'
import type { ObjectResource } from './object-resource.ts'

/** What identifies one version of an object, whichever API told it. */
export interface ObjectVersion {
  /** Decimal number; raised by every change of the bytes. */
  readonly generation: string
  /** Absent for composite objects. */
  readonly md5Hex: string | undefined
  readonly crc32cHex: string | undefined
}

/**
 * The entity tag that clients see: the MD5 of the bytes as S3's clients expect it, or
 * `<generation>-1`, which none of them takes for one. Reads, HEAD, lists and writes all use it;
 * Google's own tags differ between its APIs.
 */
export function etagOf(version: ObjectVersion): string {
  return version.md5Hex ?? `${version.generation}-1`
}

/** Checksums that the store computed over the bytes as they are stored. */
export function checksumsOf(version: ObjectVersion): readonly Checksum[] {
  const { crc32cHex, md5Hex } = version
  return [
    ...(crc32cHex === undefined
      ? []
      : [{ algorithm: 'crc32c', kind: 'whole', hex: crc32cHex } as const]),
    ...(md5Hex === undefined ? [] : [{ algorithm: 'md5', kind: 'whole', hex: md5Hex } as const]),
  ]
}

/** The version that the head of a GET, 206 or HEAD of the XML API names; nothing without a generation. */
export function versionOfHeaders(headers: AnswerHeaders): ObjectVersion | undefined {
  const generation = headerOf(headers, 'x-goog-generation')
  if (generation === undefined || !/^\d{1,20}$/.test(generation)) return undefined
  const hashes = new Map<string, string>()
  for (const field of (headerOf(headers, 'x-goog-hash') ?? '').split(',')) {
    const equals = field.indexOf('=')
    if (equals > 0) hashes.set(field.slice(0, equals).trim(), field.slice(equals + 1).trim())
  }
  return {
    generation,
    md5Hex: hexOf(hashes.get('md5'), 16),
    crc32cHex: hexOf(hashes.get('crc32c'), 4),
  }
}

/** The version that a resource of the JSON API names. */
export function versionOfResource(resource: ObjectResource): ObjectVersion {
  const { generation, md5Hash, crc32c } = resource
  return { generation, md5Hex: hexOf(md5Hash, 16), crc32cHex: hexOf(crc32c, 4) }
}

function hexOf(base64: string | undefined, digestBytes: number): string | undefined {
  const digest = Buffer.from(base64 ?? '', 'base64')
  return digest.length === digestBytes ? digest.toString('hex') : undefined
}

/**
 * Everything about the object that the head of a GET, 206 or HEAD of the XML API says.
 *
 * @throws Failure `backend-corrupt` for bytes that were decoded or encoded on the way
 */
export function attributesOfHeaders(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes {
  checkStoredForm(headers, sizeBytes)
  const version = versionOfHeaders(headers)
  const lastModifiedMs = dateOf(headers, 'last-modified')
  const dateMs = dateOf(headers, 'date')
  const etag = version === undefined ? '' : etagOf(version)
  return {
    sizeBytes,
    etag,
    lastModifiedMs: lastModifiedMs ?? dateMs ?? 0,
    headers: storedHeadersOf(headers),
    metadata: metadataOf(headers),
    checksums: version === undefined ? [] : checksumsOf(version),
    storageClass: headerOf(headers, 'x-goog-storage-class'),
    validators: {
      ...(version === undefined ? {} : { generation: version.generation, etag }),
      lastModifiedMs,
      dateMs,
    },
  }
}

/**
 * Objects are asked for as they are stored (rule 6). A proxy that drops Accept-Encoding makes the
 * store decode gzip, and one may compress by itself; lengths, ranges and checksums are void then.
 */
function checkStoredForm(headers: AnswerHeaders, sizeBytes: number): void {
  const stored = headerOf(headers, 'x-goog-stored-content-encoding')
  const sent = headerOf(headers, 'content-encoding') ?? 'identity'
  if (stored !== undefined && stored !== '' && stored !== sent) {
    throw new Failure(
      'backend-corrupt',
      `the object is stored as ${stored} and was sent as ${sent}`,
    )
  }
  const length = headerOf(headers, 'x-goog-stored-content-length')
  if (length !== undefined && sizeBytes > 0 && Number(length) !== sizeBytes) {
    throw new Failure('backend-corrupt', `the object has ${length} bytes, not ${sizeBytes}`)
  }
}

/** What the store adds to every object without a Cache-Control of its own that is not public. */
const CACHE_CONTROL_DEFAULT = 'private, max-age=0'

const shared = new SharedHeaders()

function storedHeadersOf(headers: AnswerHeaders): StoredHeaders {
  const cacheControl = headerOf(headers, 'cache-control')
  return shared.share({
    contentType: headerOf(headers, 'content-type'),
    contentEncoding: headerOf(headers, 'content-encoding'),
    contentLanguage: headerOf(headers, 'content-language'),
    contentDisposition: headerOf(headers, 'content-disposition'),
    // Expires is left out: the store keeps none and computes one.
    cacheControl: cacheControl === CACHE_CONTROL_DEFAULT ? undefined : cacheControl,
  })
}

const METADATA_PREFIX = 'x-goog-meta-'

function metadataOf(headers: AnswerHeaders): UserMetadata {
  const metadata: Record<string, string> = Object.create(null)
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(METADATA_PREFIX)) continue
    metadata[name.slice(METADATA_PREFIX.length)] = headerOf(headers, name) ?? ''
  }
  return metadata
}
