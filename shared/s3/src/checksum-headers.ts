import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import { type Checksum, checksumToBase64 } from '@forebay/model/checksum'
import { header, type RequestHeaders } from './request-headers.ts'

/** The checksums that the S3 API names, with the length of each in bytes. */
const S3_DIGEST_BYTES = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  sha1: 20,
  sha256: 32,
} as const

/** A checksum algorithm that the S3 API knows. */
export type S3Algorithm = keyof typeof S3_DIGEST_BYTES

/** In the order in which answers name them. */
export const S3_ALGORITHMS: readonly S3Algorithm[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
]

const PREFIX = 'x-amz-checksum-'

/** Headers that begin like a checksum and state something else. */
const NOT_CHECKSUMS: ReadonlySet<string> = new Set([
  'x-amz-checksum-algorithm',
  'x-amz-checksum-mode',
  'x-amz-checksum-type',
])

/** What a request states about the bytes of its body. */
export interface StatedDigests {
  readonly checksum: Checksum | undefined
  readonly contentMd5Hex: string | undefined
  /** A checksum that comes behind the body. */
  readonly trailer: S3Algorithm | undefined
}

/** The algorithm as elements and headers write it: `CRC32`. */
export function algorithmWord(algorithm: string): string {
  return algorithm.toUpperCase()
}

/** True for an algorithm of the S3 API; `md5` and `xxh64` are ours alone. */
export function isS3Algorithm(word: string): word is S3Algorithm {
  return Object.hasOwn(S3_DIGEST_BYTES, word)
}

/**
 * The algorithm that a header names, in any case.
 *
 * @throws Failure `bad-request` for one that S3 does not know
 */
export function parseAlgorithm(word: string | undefined): S3Algorithm | undefined {
  if (word === undefined) return undefined
  const algorithm = word.toLowerCase()
  if (!isS3Algorithm(algorithm)) {
    throw new Failure('bad-request', 'the checksum algorithm is not one of the S3 API')
  }
  return algorithm
}

/** `whole` or `composite`, of x-amz-checksum-type. @throws Failure `bad-request` */
export function parseChecksumKind(word: string | undefined): Checksum['kind'] | undefined {
  if (word === undefined) return undefined
  if (word === 'FULL_OBJECT') return 'whole'
  if (word === 'COMPOSITE') return 'composite'
  throw new Failure('bad-request', 'x-amz-checksum-type is neither FULL_OBJECT nor COMPOSITE')
}

/** The word of x-amz-checksum-type. */
export function checksumKindWord(kind: Checksum['kind']): string {
  return kind === 'whole' ? 'FULL_OBJECT' : 'COMPOSITE'
}

/**
 * Reads what a request states about its body: Content-MD5, at most one checksum, in a header or in a
 * trailer.
 *
 * @param trailers whether the body's framing has room for trailers
 * @throws Failure `digest-invalid` | `bad-request`
 */
export function parseStatedDigests(headers: RequestHeaders, trailers: boolean): StatedDigests {
  const checksum = parseChecksumHeader(headers)
  const trailer = parseTrailerName(header(headers, 'x-amz-trailer'))
  if (trailer !== undefined && !trailers) {
    throw new Failure('bad-request', 'x-amz-trailer is announced, but the body has no trailer')
  }
  if (trailer !== undefined && checksum !== undefined) {
    throw new Failure('bad-request', 'expecting a single x-amz-checksum- header or trailer')
  }
  const named = parseAlgorithm(header(headers, 'x-amz-sdk-checksum-algorithm'))
  if (named !== undefined && checksum === undefined && trailer === undefined) {
    throw new Failure(
      'bad-request',
      'x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found',
    )
  }
  if (named !== undefined && named !== (checksum?.algorithm ?? trailer)) {
    throw new Failure('bad-request', 'value for x-amz-sdk-checksum-algorithm header is invalid')
  }
  const md5 = headers['content-md5']
  return {
    checksum,
    contentMd5Hex: md5 === undefined ? undefined : parseContentMd5(header(headers, 'content-md5')),
    trailer,
  }
}

/**
 * The checksum that a header states.
 *
 * @throws Failure `bad-request` for two of them, an unknown one or a value of another length
 */
export function parseChecksumHeader(headers: RequestHeaders): Checksum | undefined {
  let found: Checksum | undefined
  for (const name in headers) {
    if (!name.startsWith(PREFIX) || NOT_CHECKSUMS.has(name)) continue
    if (found !== undefined) {
      throw new Failure('bad-request', 'expecting a single x-amz-checksum- header')
    }
    const algorithm = parseAlgorithm(name.slice(PREFIX.length))
    if (algorithm !== undefined) found = parseChecksum(algorithm, header(headers, name) ?? '')
  }
  return found
}

/**
 * A checksum as headers, trailers and elements write it: base64, `-N` behind it for a composite.
 *
 * @throws Failure `bad-request`
 */
export function parseChecksum(algorithm: S3Algorithm, value: string): Checksum {
  const [, base64 = '', count] = /^([A-Za-z0-9+/]+={0,2})(?:-(\d{1,5}))?$/.exec(value.trim()) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const partCount = count === undefined ? undefined : Number(count)
  if (
    bytes.length !== S3_DIGEST_BYTES[algorithm] ||
    bytes.toString('base64') !== base64 ||
    (partCount !== undefined && (partCount < 1 || partCount > PARTS_MAX))
  ) {
    throw new Failure('bad-request', `value for ${PREFIX}${algorithm} header is invalid`)
  }
  const hex = bytes.toString('hex')
  return partCount === undefined
    ? { algorithm, kind: 'whole', hex }
    : { algorithm, kind: 'composite', hex, partCount }
}

/**
 * Appends the checksums that the S3 API can name to a flat list of headers, and their type.
 */
export function pushChecksums(flat: (string | number)[], checksums: readonly Checksum[]): void {
  let kind: Checksum['kind'] | undefined
  for (const checksum of checksums) {
    if (!isS3Algorithm(checksum.algorithm)) continue
    flat.push(PREFIX + checksum.algorithm, checksumToBase64(checksum))
    kind = checksum.kind
  }
  if (kind !== undefined) flat.push('x-amz-checksum-type', checksumKindWord(kind))
}

function parseTrailerName(value: string | undefined): S3Algorithm | undefined {
  if (value === undefined) return undefined
  const name = value.trim().toLowerCase()
  if (!name.startsWith(PREFIX) || !isS3Algorithm(name.slice(PREFIX.length))) {
    throw new Failure('bad-request', 'x-amz-trailer names something else than one checksum')
  }
  return parseAlgorithm(name.slice(PREFIX.length))
}

function parseContentMd5(value: string | undefined): string {
  const bytes = Buffer.from(value ?? '', 'base64')
  if (bytes.length !== 16 || bytes.toString('base64') !== value) {
    throw new Failure('digest-invalid', 'Content-MD5 is not the base64 of 16 bytes')
  }
  return bytes.toString('hex')
}
