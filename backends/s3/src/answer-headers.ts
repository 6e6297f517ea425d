import { httpValidatorsOf } from '@forebay/backend-transport/answer-headers'
import { type AnswerHeaders, headerOf } from '@forebay/backend-transport/exchange'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredHeaders, UserMetadata } from '@forebay/model/object'
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
  const { metadata, originHeaders } = ownHeadersOf(headers)
  return {
    sizeBytes,
    etag: validators.etag ?? '',
    lastModifiedMs: validators.lastModifiedMs ?? validators.dateMs ?? 0,
    headers: storedHeadersOf(headers),
    metadata,
    checksums: checksumsOf(headers, validators),
    ...(partCount === undefined ? {} : { partCount }),
    storageClass: headerOf(headers, 'x-amz-storage-class'),
    tagCount: tagCountOf(headers),
    originHeaders,
    validators,
  }
}

function tagCountOf(headers: AnswerHeaders): number | undefined {
  const text = headerOf(headers, 'x-amz-tagging-count')
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) || undefined : undefined
}

/** What the store says about an object beyond what everybody stores, handed on as it is. */
const HANDED_ON: ReadonlySet<string> = new Set([
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
])

const OWN_PREFIX = 'x-amz-'
const METADATA_PREFIX = 'x-amz-meta-'

/** The headers of S3's own that are handed on as they are, by one look at those that are there. */
export function ownHeadersOf(headers: AnswerHeaders): {
  readonly metadata: UserMetadata
  /** `undefined` where the answer has none of them, which is the common case. */
  readonly originHeaders: ObjectAttributes['originHeaders']
} {
  const metadata: Record<string, string> = Object.create(null)
  let originHeaders: Record<string, string> | undefined
  for (const name in headers) {
    if (!name.startsWith(OWN_PREFIX)) continue
    if (name.startsWith(METADATA_PREFIX)) {
      metadata[name.slice(METADATA_PREFIX.length)] = headerOf(headers, name) ?? ''
    } else if (HANDED_ON.has(name)) {
      originHeaders ??= {}
      originHeaders[name] = headerOf(headers, name) ?? ''
    }
  }
  return { metadata, originHeaders }
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

/** Algorithms that the S3 API has headers for. */
const CHECKSUM_HEADERS: readonly (readonly [ChecksumAlgorithm, string])[] = [
  ['crc32', 'x-amz-checksum-crc32'],
  ['crc32c', 'x-amz-checksum-crc32c'],
  ['crc64nvme', 'x-amz-checksum-crc64nvme'],
  ['sha1', 'x-amz-checksum-sha1'],
  ['sha256', 'x-amz-checksum-sha256'],
]

const DIGEST_BYTES: ReadonlyMap<ChecksumAlgorithm, number> = new Map([
  ['crc32', 4],
  ['crc32c', 4],
  ['crc64nvme', 8],
  ['sha1', 20],
  ['sha256', 32],
])

/** Checksums of the whole object that an answer states; malformed ones count as absent. */
export function checksumsOf(headers: AnswerHeaders, validators: Validators): readonly Checksum[] {
  const found: Checksum[] = []
  for (const [algorithm, name] of CHECKSUM_HEADERS) {
    const text = headerOf(headers, name)
    if (text === undefined) continue
    const checksum = parseChecksum(algorithm, text, headerOf(headers, 'x-amz-checksum-type'))
    if (checksum !== undefined) found.push(checksum)
  }
  const md5 = md5Of(headers, validators)
  if (md5 !== undefined) found.push(md5)
  return found
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
  if (text === undefined) return undefined
  const match = /^([A-Za-z0-9+/]+={0,2})(?:-(\d{1,5}))?$/.exec(text)
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
function md5Of(headers: AnswerHeaders, { etag, etagWeak }: Validators): Checksum | undefined {
  if (etag === undefined || etagWeak === true || !isPlainMd5(etag)) return undefined
  if ((headerOf(headers, 'x-amz-server-side-encryption') ?? '').startsWith('aws:kms')) {
    return undefined
  }
  if (headerOf(headers, 'x-amz-server-side-encryption-customer-algorithm') !== undefined) {
    return undefined
  }
  return { algorithm: 'md5', kind: 'whole', hex: etag }
}

/** True for a tag that looks like the MD5 of a single PUT. */
export function isPlainMd5(etag: string): boolean {
  return /^[0-9a-f]{32}$/.test(etag)
}

/** Parts of an object whose tag ends in `-N`. */
function partCountOf(etag: string | undefined): number | undefined {
  // Most tags are those of a single PUT.
  if (etag === undefined || etag[32] !== '-') return undefined
  const match = /^[0-9a-f]{32}-(\d{1,5})$/.exec(etag)
  return match === null ? undefined : Number(match[1])
}
