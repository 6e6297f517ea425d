import { parseClock, parseEtag } from '@forebay/backend-transport/answer-headers'
import type { AnswerHeaders } from '@forebay/backend-transport/exchange'
import { SharedHeaders } from '@forebay/backend-transport/shared-headers'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredHeaders } from '@forebay/model/object'
import type { Validators } from '@forebay/model/version'
import { parseHttpDate } from '@forebay/s3/dates'
import { type AnswerFields, readFields } from './answer-fields.ts'

/** What the answer says about the version of the object. */
export function validatorsOf(fields: AnswerFields): Validators {
  const { date, lastModified } = fields
  const tag = parseEtag(fields.etag)
  return {
    versionId: realVersionId(fields.versionId),
    etag: tag?.etag,
    etagWeak: tag?.weak,
    lastModifiedMs: lastModified === undefined ? undefined : parseHttpDate(lastModified),
    dateMs: date === undefined ? undefined : parseClock(date),
  }
}

/** A version id; "null" marks an object that was written without versions and may change in place. */
export function realVersionId(text: string | undefined): string | undefined {
  return text === undefined || text === '' || text === 'null' ? undefined : text
}

/** Everything about the object that the head of a GET, 206 or HEAD says. */
export function attributesOf(headers: AnswerHeaders, sizeBytes: number): ObjectAttributes {
  const fields = readFields(headers)
  const validators = validatorsOf(fields)
  const partCount = partCountOf(validators.etag)
  return {
    sizeBytes,
    etag: validators.etag ?? '',
    lastModifiedMs: validators.lastModifiedMs ?? validators.dateMs ?? 0,
    headers: storedHeadersOf(fields),
    metadata: fields.metadata,
    checksums: checksumsOf(fields, validators),
    ...(partCount === undefined ? {} : { partCount }),
    storageClass: fields.storageClass,
    tagCount: tagCountOf(fields.taggingCount),
    originHeaders: fields.originHeaders,
    validators,
  }
}

function tagCountOf(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,3}$/.test(text) ? Number(text) || undefined : undefined
}

/** True when the bytes lie in an archive and no restored copy is at hand. */
export function isArchived(headers: AnswerHeaders): boolean {
  const { storageClass, archiveStatus, restore = '' } = readFields(headers)
  const archive =
    storageClass === 'GLACIER' || storageClass === 'DEEP_ARCHIVE' || archiveStatus !== undefined
  return archive && !restore.includes('ongoing-request="false"')
}

const shared = new SharedHeaders()

function storedHeadersOf(fields: AnswerFields): StoredHeaders {
  const { websiteRedirect } = fields
  return shared.share({
    contentType: fields.contentType,
    contentEncoding: storedEncoding(fields.contentEncoding),
    contentLanguage: fields.contentLanguage,
    contentDisposition: fields.contentDisposition,
    cacheControl: fields.cacheControl,
    expires: fields.expires,
    ...(websiteRedirect === undefined ? {} : { websiteRedirect }),
  })
}

/** Some stores keep the framing of the upload in the name of the encoding; it is none of the bytes. */
function storedEncoding(text: string | undefined): string | undefined {
  if (text === undefined || !text.includes('aws-chunked')) return text
  const kept = text.split(',').filter((name) => name.trim() !== 'aws-chunked')
  return kept.length === 0 ? undefined : kept.join(',').trim()
}

/** Of the algorithms that the S3 API has headers for. */
const DIGEST_BYTES: Readonly<Partial<Record<ChecksumAlgorithm, number>>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
}

/** Checksums of the whole object that an answer states; malformed ones count as absent. */
export function checksumsOf(fields: AnswerFields, validators: Validators): readonly Checksum[] {
  const { checksumType } = fields
  const found: Checksum[] = []
  add(found, parseChecksum('crc32', fields.crc32, checksumType))
  add(found, parseChecksum('crc32c', fields.crc32c, checksumType))
  add(found, parseChecksum('crc64nvme', fields.crc64nvme, checksumType))
  add(found, parseChecksum('sha1', fields.sha1, checksumType))
  add(found, parseChecksum('sha256', fields.sha256, checksumType))
  add(found, md5Of(fields, validators))
  return found
}

function add(found: Checksum[], checksum: Checksum | undefined): void {
  if (checksum !== undefined) found.push(checksum)
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
  const digestBytes = DIGEST_BYTES[algorithm]
  if (digestBytes === 4 && type !== 'COMPOSITE') {
    const hex = hexOfFour(text)
    if (hex !== undefined) return { algorithm, kind: 'whole', hex }
  }
  const match = /^([A-Za-z0-9+/]+={0,2})(?:-(\d{1,5}))?$/.exec(text)
  if (match === null) return undefined
  const digest = Buffer.from(match[1] ?? '', 'base64')
  if (digest.length !== digestBytes) return undefined
  const hex = digest.toString('hex')
  if (type !== 'COMPOSITE' && match[2] === undefined) return { algorithm, kind: 'whole', hex }
  // A composite without its count says nothing that could be checked or rendered.
  if (match[2] === undefined) return undefined
  return { algorithm, kind: 'composite', hex, partCount: Number(match[2]) }
}

/** Value of a character of Base64 (RFC 4648 §4); `OTHER` for those it has not. */
const OTHER = 64
const SEXTETS = new Uint8Array(128).fill(OTHER)
for (const [value, character] of [
  ...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/',
].entries()) {
  SEXTETS[character.charCodeAt(0)] = value
}

const HEX_PAIRS: readonly string[] = Array.from({ length: 256 }, (_, byte) =>
  byte.toString(16).padStart(2, '0'),
)

/**
 * Hexadecimal of four bytes in Base64, the CRC that nearly every object has, without a buffer for them.
 *
 * @returns `undefined` for any other text, also for one that others read as four bytes
 */
function hexOfFour(text: string): string | undefined {
  if (text.length !== 8 || text[6] !== '=' || text[7] !== '=') return undefined
  let hex = ''
  let bits = 0
  let bitCount = 0
  for (let at = 0; at < 6; at++) {
    const sextet = SEXTETS[text.charCodeAt(at)] ?? OTHER
    if (sextet === OTHER) return undefined
    bits = (bits << 6) | sextet
    bitCount += 6
    if (bitCount < 8) continue
    bitCount -= 8
    hex += HEX_PAIRS[(bits >> bitCount) & 0xff]
  }
  return hex
}

/**
 * The MD5 of the bytes, where the ETag is one: 32 hex digits, no parts, not encrypted with KMS or a
 * customer's key (S3 API, "Common response headers").
 */
function md5Of(fields: AnswerFields, { etag, etagWeak }: Validators): Checksum | undefined {
  if (etag === undefined || etagWeak === true || !isPlainMd5(etag)) return undefined
  if (fields.encryption?.startsWith('aws:kms') || fields.customerAlgorithm !== undefined) {
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
