import { httpValidatorsOf } from '@forebay/backend-transport/answer-headers'
import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'
import { SharedHeaders } from '@forebay/backend-transport/shared-headers'
import type { Checksum } from '@forebay/model/checksum'
import type { ObjectAttributes, UserMetadata } from '@forebay/model/object'
import { decodeMetadataName } from './metadata-names.ts'

const shared = new SharedHeaders()

/**
 * Everything about the object that the head of a GET, 206 or HEAD says. The tag of the service is
 * strong and new with every change, so it is the version.
 */
export function attributesOf(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes {
  const validators = httpValidatorsOf(headers)
  const metadata = metadataOf(headers)
  return {
    sizeBytes,
    etag: validators.etag ?? '',
    lastModifiedMs: validators.lastModifiedMs ?? validators.dateMs ?? 0,
    headers: shared.share({
      contentType: headerOf(headers, 'content-type'),
      contentEncoding: headerOf(headers, 'content-encoding'),
      contentLanguage: headerOf(headers, 'content-language'),
      contentDisposition: headerOf(headers, 'content-disposition'),
      cacheControl: headerOf(headers, 'cache-control'),
      expires: headerOf(headers, EXPIRES_HEADER),
    }),
    metadata,
    checksums: md5Of(headers),
    storageClass: storageClassOf(headerOf(headers, 'x-ms-access-tier')),
    validators,
  }
}

/** True when the bytes lie in an archive, or are on their way out of it. */
export function isArchived(headers: AnswerHeaders): boolean {
  return headerOf(headers, 'x-ms-access-tier') === 'Archive'
}

/** The tier where it is another than the usual one. */
export function storageClassOf(tier: string | undefined): string | undefined {
  return tier === undefined || tier === '' || tier === 'Hot' ? undefined : tier
}

export const METADATA_PREFIX = 'x-ms-meta-'

/** The service stores no Expires, so it is one of the names of metadata. */
export const EXPIRES_HEADER = `${METADATA_PREFIX}forebay_expires`

function metadataOf(headers: AnswerHeaders): UserMetadata {
  const metadata: Record<string, string> = Object.create(null)
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(METADATA_PREFIX) || name === EXPIRES_HEADER) continue
    metadata[decodeMetadataName(name.slice(METADATA_PREFIX.length))] = headerOf(headers, name) ?? ''
  }
  return metadata
}

/** MD5 of the whole object; beside a range, `Content-MD5` would be that of the range. */
export function md5Of(headers: AnswerHeaders): readonly Checksum[] {
  const ofBytes =
    headerOf(headers, 'content-range') === undefined ? headerOf(headers, 'content-md5') : undefined
  return md5Checksum(headerOf(headers, 'x-ms-blob-content-md5') ?? ofBytes)
}

function md5Checksum(base64: string | undefined): readonly Checksum[] {
  const digest = Buffer.from(base64 ?? '', 'base64')
  if (digest.length !== 16) return []
  return [{ algorithm: 'md5', kind: 'whole', hex: digest.toString('hex') }]
}
