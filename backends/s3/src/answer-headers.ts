import { httpValidatorsOf, parseEtag } from '@forebay/backend-transport/answer-headers'
import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredHeaders } from '@forebay/model/object'
import type { Validators } from '@forebay/model/version'

/** What the answer says about the version of the object. */
export function validatorsOf(headers: AnswerHeaders): Validators {
  const versionId = realVersionId(headerOf(headers, 'x-amz-version-id'))
  return { versionId, ...httpValidatorsOf(headers) }
}

/** A version id; "null" marks an object that was written without versions and may change in place. */
export function realVersionId(text: string | undefined): string | undefined {
  return text === undefined || text === '' || text === 'null' ? undefined : text
}

/** Everything about the object that the head of a GET, 206 or HEAD says. */
export function attributesOf(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes {
  const validators = validatorsOf(headers)
  const partCount = partCountOf(validators.etag)
  return {
    sizeBytes,
    etag: validators.etag ?? '',
    lastModifiedMs: validators.lastModifiedMs ?? validators.dateMs ?? 0,
    headers: storedHeadersOf(headers),
    metadata: metadataOf(headers),
    checksums: checksumsOf(headers),
    ...(partCount === undefined ? {} : { partCount }),
    storageClass: headerOf(headers, 'x-amz-storage-class'),
    tagCount: tagCountOf(headers),
    originHeaders: originHeadersOf(headers),
    validators,
  }
}

function tagCountOf(headers: AnswerHeaders): number | undefined {
  const text = headerOf(headers, 'x-amz-tagging-count')
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) || undefined : undefined
}

/** What the store says about an object beyond what everybody stores, handed on as it is. */
const HANDED_ON = [
  'x-amz-server-side-encryption',
  'x-amz-server-side-encryption-aws-kms-key-id',
  'x-amz-server-side-encryption-bucket-key-enabled',
  'x-amz-restore',
  'x-amz-archive-status',
  'x-amz-expiration',
  'x-amz-replication-status',
  'x-amz-object-lock-mode',
  'x-amz-object-lock-retain-until-date',
  'x-amz-object-lock-legal-hold',
] as const

/** @returns undefined where the answer has none of them, which is the common case */
export function originHeadersOf(
  headers: AnswerHeaders,
): Readonly<Record<string, string>> | undefined {
  let found: Record<string, string> | undefined
  for (const name of HANDED_ON) {
    const value = headerOf(headers, name)
    if (value === undefined) continue
    found ??= {}
    found[name] = value
  }
  return found
}

/** True when the bytes lie in an archive and no restored copy is at hand. */
export function isArchived(headers: AnswerHeaders): boolean {
  const storageClass = headerOf(headers, 'x-amz-storage-class')
  const archive =
    storageClass === 'GLACIER' ||
    storageClass === 'DEEP_ARCHIVE' ||
    headerOf(headers, 'x-amz-archive-status') !== undefined
  return archive && !(headerOf(headers, 'x-amz-restore') ?? '').includes('ongoing-request="false"')
}

function storedHeadersOf(headers: AnswerHeaders): StoredHeaders {
  return {
    contentType: headerOf(headers, 'content-type'),
    contentEncoding: storedEncoding(headerOf(headers, 'content-encoding')),
    contentLanguage: headerOf(headers, 'content-language'),
    contentDisposition: headerOf(headers, 'content-disposition'),
    cacheControl: headerOf(headers, 'cache-control'),
    expires: headerOf(headers, 'expires'),
    ...websiteRedirectOf(headers),
  }
}

function websiteRedirectOf(headers: AnswerHeaders): Pick<StoredHeaders, 'websiteRedirect'> {
  const websiteRedirect = headerOf(headers, 'x-amz-website-redirect-location')
  return websiteRedirect === undefined ? {} : { websiteRedirect }
}

/** Some stores keep the framing of the upload in the name of the encoding; it is none of the bytes. */
function storedEncoding(text: string | undefined): string | undefined {
  if (text === undefined || !text.includes('aws-chunked')) return text
  const kept = text.split(',').filter((name) => name.trim() !== 'aws-chunked')
  return kept.length === 0 ? undefined : kept.join(',').trim()
}

const METADATA_PREFIX = 'x-amz-meta-'

function metadataOf(headers: AnswerHeaders): Record<string, string> {
  const metadata: Record<string, string> = Object.create(null)
  for (const name of Object.keys(headers)) {
    if (!name.startsWith(METADATA_PREFIX)) continue
    metadata[name.slice(METADATA_PREFIX.length)] = headerOf(headers, name) ?? ''
  }
  return metadata
}

/** Algorithms that the S3 API has headers for. */
const ALGORITHMS: readonly ChecksumAlgorithm[] = ['crc32', 'crc32c', 'crc64nvme', 'sha1', 'sha256']

const DIGEST_BYTES: ReadonlyMap<ChecksumAlgorithm, number> = new Map([
  ['crc32', 4],
  ['crc32c', 4],
  ['crc64nvme', 8],
  ['sha1', 20],
  ['sha256', 32],
])

/** Checksums of the whole object that an answer states; malformed ones count as absent. */
export function checksumsOf(headers: AnswerHeaders): readonly Checksum[] {
  const type = headerOf(headers, 'x-amz-checksum-type')
  const found: Checksum[] = []
  for (const algorithm of ALGORITHMS) {
    const checksum = parseChecksum(
      algorithm,
      headerOf(headers, `x-amz-checksum-${algorithm}`),
      type,
    )
    if (checksum !== undefined) found.push(checksum)
  }
  const md5 = md5Of(headers)
  return md5 === undefined ? found : [...found, md5]
}

/**
 * A checksum as the S3 API writes it.
 *
 * @param type `COMPOSITE` | `FULL_OBJECT`; absent: the `-N` of a composite decides
 */
export function parseChecksum(
  algorithm: ChecksumAlgorithm,
  text: string | undefined,
  type: string | undefined,
): Checksum | undefined {
  const match = /^([A-Za-z0-9+/]+={0,2})(?:-(\d{1,5}))?$/.exec(text ?? '')
  if (match === null) return undefined
  const digest = Buffer.from(match[1] ?? '', 'base64')
  if (digest.length !== DIGEST_BYTES.get(algorithm)) return undefined
  const hex = digest.toString('hex')
  if (type !== 'COMPOSITE' && match[2] === undefined) return { algorithm, kind: 'whole', hex }
  // A composite without its count says nothing that could be checked or rendered.
  if (match[2] === undefined) return undefined
  return { algorithm, kind: 'composite', hex, partCount: Number(match[2]) }
}

/**
 * The MD5 of the bytes, where the ETag is one: 32 hex digits, no parts, not encrypted with KMS or a
 * customer's key (S3 API, "Common response headers").
 */
function md5Of(headers: AnswerHeaders): Checksum | undefined {
  const tag = parseEtag(headerOf(headers, 'etag'))
  if (tag === undefined || tag.weak || !isPlainMd5(tag.etag)) return undefined
  if ((headerOf(headers, 'x-amz-server-side-encryption') ?? '').startsWith('aws:kms')) {
    return undefined
  }
  if (headerOf(headers, 'x-amz-server-side-encryption-customer-algorithm') !== undefined) {
    return undefined
  }
  return { algorithm: 'md5', kind: 'whole', hex: tag.etag }
}

/** True for a tag that looks like the MD5 of a single PUT. */
export function isPlainMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/.test(etag)
}

/** Parts of an object whose tag ends in `-N`. */
function partCountOf(etag: string | undefined): number | undefined {
  const match = /^[0-9a-f]{32}-(\d{1,5})$/.exec(etag ?? '')
  return match === null ? undefined : Number(match[1])
}
