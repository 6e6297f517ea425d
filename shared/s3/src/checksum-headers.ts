import { Failure } from '@forebay/base/failure'
import { PARTS_MAX } from '@forebay/base/limits'
import { type Checksum, type ChecksumAlgorithm, checksumToBase64 } from '@forebay/model/checksum'
import { header, type RequestHeaders } from './request-headers.ts'
import { verbatim } from './verbatim.ts'

/** Word of the S3 API for each algorithm, and the length of its digests in bytes. */
const S3_ALGORITHM_TABLE = {
  crc32: { word: 'crc32', digestBytes: 4 },
  crc32c: { word: 'crc32c', digestBytes: 4 },
  crc64nvme: { word: 'crc64nvme', digestBytes: 8 },
  md5: { word: 'md5', digestBytes: 16 },
  sha1: { word: 'sha1', digestBytes: 20 },
  sha256: { word: 'sha256', digestBytes: 32 },
  sha512: { word: 'sha512', digestBytes: 64 },
  xxh128: { word: 'xxhash128', digestBytes: 16 },
  xxh3: { word: 'xxhash3', digestBytes: 8 },
  xxh64: { word: 'xxhash64', digestBytes: 8 },
} as const satisfies Record<ChecksumAlgorithm, { word: string; digestBytes: number }>

/** In the order in which answers name them. */
export const S3_ALGORITHMS = Object.keys(S3_ALGORITHM_TABLE) as readonly ChecksumAlgorithm[] // Object.keys forgets its keys.

const BY_WORD: ReadonlyMap<string, ChecksumAlgorithm> = new Map(
  S3_ALGORITHMS.map((algorithm) => [S3_ALGORITHM_TABLE[algorithm].word, algorithm]),
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

/** The algorithm as elements and headers write it: `CRC32`, `XXHASH64`. */
export function algorithmWord(algorithm: string): string {
  const known = S3_ALGORITHMS.find((one) => one === algorithm)
  // A store behind us may know more words than we do.
  return (known === undefined ? algorithm : S3_ALGORITHM_TABLE[known].word).toUpperCase()
}

/** The name of the header or trailer that carries a checksum of the algorithm. */
export function checksumHeaderName(algorithm: ChecksumAlgorithm): string {
  return PREFIX + S3_ALGORITHM_TABLE[algorithm].word
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
  if (word === 'FULL_OBJECT') return 'whole'
  if (word === 'COMPOSITE') return 'composite'
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
  let found: Checksum | undefined
  for (const name in headers) {
    if (!name.startsWith(PREFIX) || NOT_CHECKSUMS.has(name)) continue
    if (found !== undefined) {
      throw new Failure('bad-request', MULTIPLE)
    }
    const algorithm = BY_WORD.get(name.slice(PREFIX.length))
    if (algorithm === undefined) {
      throw new Failure(
        'bad-request',
        'the algorithm type you specified in x-amz-checksum- header is invalid',
      )
    }
    found = parseChecksum(algorithm, header(headers, name) ?? '')
  }
  return found
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
    bytes.length !== S3_ALGORITHM_TABLE[algorithm].digestBytes ||
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
  if (bytes.length !== 16 || bytes.toString('base64') !== value) {
    throw new Failure('digest-invalid', 'Content-MD5 is not the base64 of 16 bytes', {
      facts: { contentMd5: value ?? '' },
    })
  }
  return bytes.toString('hex')
}
