import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import {
  type Checksum,
  type ChecksumAlgorithm,
  checksumToBase64,
  checksumWord,
} from '@forebay/model/checksum'
import { header, type RequestHeaders } from './request-headers.ts'
import { verbatim } from './verbatim.ts'

/** Length in bytes of the digests of each algorithm, in the order in which answers name them. */
const DIGEST_BYTES: Readonly<Record<ChecksumAlgorithm, number>> = {
  crc32: 4,
  crc32c: 4,
  crc64nvme: 8,
  md5: 16,
  sha1: 20,
  sha256: 32,
  sha512: 64,
  xxh128: 16,
  xxh3: 8,
  xxh64: 8,
}

/** In the order in which answers name them. */
export const S3_ALGORITHMS = Object.keys(DIGEST_BYTES) as readonly ChecksumAlgorithm[] // Object.keys forgets its keys.

const BY_WORD: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  S3_ALGORITHMS.map((algorithm) => [checksumWord(algorithm), algorithm]),
)

const ALGORITHM_WORDS = S3_ALGORITHMS.map(algorithmWord).join(', ')

const PREFIX = 'x-amz-checksum-'

const MULTIPLE =
  'expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed.'

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
  readonly trailer: ChecksumAlgorithm | undefined
}

/** The algorithm as elements write it: `CRC32`, `XXHASH64`; a word that we do not know as it is. */
export function algorithmWord(algorithm: string): string {
  const known = S3_ALGORITHMS.find((one) => one === algorithm)
  return (known === undefined ? algorithm : checksumWord(known)).toUpperCase()
}

/** The name of the header or trailer that carries a checksum of the algorithm. */
export function checksumHeaderName(algorithm: ChecksumAlgorithm): string {
  return PREFIX + checksumWord(algorithm)
}

/**
 * The algorithm that a header names, in any case.
 *
 * @throws Failure `bad-request` for one that S3 does not know
 */
export function parseAlgorithm(word: string | undefined): ChecksumAlgorithm | undefined {
  if (word === undefined) return undefined
  const algorithm = BY_WORD.get(word.toLowerCase())
  if (algorithm !== undefined) return algorithm
  throw verbatim(
    'bad-request',
    `Checksum algorithm provided is unsupported. Please try again with any of the valid types: [${ALGORITHM_WORDS}]`,
  )
}

/**
 * The checksums that an answer names: S3 has one per object, and an MD5 that we know from the ETag
 * is none that the client chose.
 */
export function shownChecksums(checksums: readonly Checksum[]): readonly Checksum[] {
  const chosen = checksums.filter(({ algorithm }) => algorithm !== 'md5')
  return chosen.length > 0 ? chosen : checksums
}

/** `whole` or `composite`, of x-amz-checksum-type. @throws Failure `bad-request` */
export function parseChecksumKind(word: string | undefined): Checksum['kind'] | undefined {
  if (word === undefined) return undefined
  if (word.toUpperCase() === 'FULL_OBJECT') return 'whole'
  if (word.toUpperCase() === 'COMPOSITE') return 'composite'
  throw new Failure('bad-request', 'value for x-amz-checksum-type header is invalid')
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
    throw new Failure('bad-request', MULTIPLE)
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
  const names = Object.keys(headers).filter(
    (name) => name.startsWith(PREFIX) && !NOT_CHECKSUMS.has(name),
  )
  if (names.length > 1) throw new Failure('bad-request', MULTIPLE)
  const [name] = names
  if (name === undefined) return undefined
  const algorithm = BY_WORD.get(name.slice(PREFIX.length))
  if (algorithm !== undefined) return parseChecksum(algorithm, header(headers, name) ?? '')
  throw new Failure(
    'bad-request',
    'the algorithm type you specified in x-amz-checksum- header is invalid',
  )
}

/**
 * A checksum as headers, trailers and elements write it: base64, `-N` behind it for a composite.
 *
 * @param place `header`, or `trailing header` for one that comes behind the body
 * @throws Failure `bad-request`
 */
export function parseChecksum(
  algorithm: ChecksumAlgorithm,
  value: string,
  place: 'header' | 'trailing header' = 'header',
): Checksum {
  const [, base64 = '', count] = /^([A-Za-z0-9+/]+={0,2})(?:-(\d{1,5}))?$/.exec(value.trim()) ?? []
  const bytes = Buffer.from(base64, 'base64')
  const partCount = count === undefined ? undefined : Number(count)
  if (
    bytes.length !== DIGEST_BYTES[algorithm] ||
    bytes.toString('base64') !== base64 ||
    (partCount !== undefined && (partCount < 1 || partCount > PARTS_MAX))
  ) {
    throw new Failure(
      'bad-request',
      `value for ${checksumHeaderName(algorithm)} ${place} is invalid`,
    )
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
  for (const checksum of shownChecksums(checksums)) {
    flat.push(checksumHeaderName(checksum.algorithm), checksumToBase64(checksum))
    kind = checksum.kind
  }
  if (kind !== undefined) flat.push('x-amz-checksum-type', checksumKindWord(kind))
}

function parseTrailerName(value: string | undefined): ChecksumAlgorithm | undefined {
  if (value === undefined) return undefined
  const name = value.trim().toLowerCase()
  const algorithm = name.startsWith(PREFIX) ? BY_WORD.get(name.slice(PREFIX.length)) : undefined
  if (algorithm !== undefined) return algorithm
  throw verbatim('bad-request', 'The value specified in the x-amz-trailer header is not supported')
}

function parseContentMd5(value: string | undefined): string {
  const bytes = Buffer.from(value ?? '', 'base64')
  // The last four bits of the text say nothing; S3 does not look at them.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(value ?? '')) {
    throw new Failure('digest-invalid', 'Content-MD5 is not the base64 of 16 bytes', {
      facts: { contentMd5: value ?? '' },
    })
  }
  return bytes.toString('hex')
}
