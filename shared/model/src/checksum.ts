/**
 * Algorithms in which a client can state or ask for a checksum; `md5` also makes ETags. Records on
 * disk name one by its place here: add at the end only.
 */
export const CHECKSUM_ALGORITHMS = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
  'md5',
  'xxh64',
  'sha512',
  'xxh3',
  'xxh128',
] as const

export type ChecksumAlgorithm = (typeof CHECKSUM_ALGORITHMS)[number]

/** The algorithm as the S3 API writes it in headers: `crc32`, `xxhash64`. */
export function checksumWord(algorithm: ChecksumAlgorithm): string {
  return algorithm.replace(/^xxh/, 'xxhash')
}

/**
 * A checksum of an object's bytes.
 *
 * `whole` covers all bytes in order; `composite` is the checksum of the checksums of the parts
 * (S3 API, multipart uploads) and says nothing about the bytes without the part sizes.
 */
export interface Checksum {
  readonly algorithm: ChecksumAlgorithm
  readonly kind: 'whole' | 'composite'
  /** The raw digest in lower-case hexadecimal; CRCs as big-endian numbers of full width. */
  readonly hex: string
  /** Parts that a composite covers, 1..10,000; absent for `whole`. */
  readonly partCount?: number | undefined
}

/** The digest as the S3 API writes it: base64 of the raw bytes, `-N` appended to a composite. */
export function checksumToBase64(checksum: Checksum): string {
  const base64 = Buffer.from(checksum.hex, 'hex').toString('base64')
  return checksum.kind === 'composite' ? `${base64}-${checksum.partCount}` : base64
}
