/** Every digest the product computes; the members are those of `ChecksumAlgorithm` in the model. */
export type HashAlgorithm =
  | 'crc32'
  | 'crc32c'
  | 'crc64nvme'
  | 'sha1'
  | 'sha256'
  | 'md5'
  | 'xxh64'
  | 'sha512'
  | 'xxh3'
  | 'xxh128'

/** Hexadecimal digits of a digest of each algorithm. */
export const DIGEST_HEX_LENGTH: Readonly<Record<HashAlgorithm, number>> = {
  crc32: 8,
  crc32c: 8,
  crc64nvme: 16,
  sha1: 40,
  sha256: 64,
  md5: 32,
  xxh64: 16,
  sha512: 128,
  xxh3: 16,
  xxh128: 32,
}
