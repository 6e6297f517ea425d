import { Failure } from '@forebay/base/failure'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ObjectRecord } from '../store/contract.ts'

/** Cheapest first (CPU per GiB measured: 0.10, 0.15, 0.6, 0.58, 0.63, 1.43 s). */
const PREFERENCE: readonly ChecksumAlgorithm[] = [
  'crc32',
  'crc32c',
  'crc64nvme',
  'sha1',
  'sha256',
  'md5',
]

/**
 * The checksum that a fetched body is verified against before it counts as whole: the cheapest that
 * the backend states for all bytes. Composites say nothing about the bytes in a row.
 */
export function expectedDigest(attributes: ObjectAttributes): Checksum | undefined {
  const whole = attributes.checksums.filter(({ kind }) => kind === 'whole')
  for (const algorithm of PREFERENCE) {
    const found = whole.find((checksum) => checksum.algorithm === algorithm)
    if (found !== undefined) return found
  }
  return undefined
}

/**
 * What the bytes of a whole entry are compared with: its own xxh64, computed of the very bytes that
 * passed every check when they came in, else what the backend states.
 */
export function storedDigest({
  attributes,
  contentXxh64,
}: Pick<ObjectRecord, 'attributes' | 'contentXxh64'>):
  | Pick<Checksum, 'algorithm' | 'hex'>
  | undefined {
  if (contentXxh64 !== undefined) return { algorithm: 'xxh64', hex: contentXxh64 }
  return expectedDigest(attributes)
}

/** What is computed of the whole in a row: the backend's own where sums of blocks do not verify it. */
export function algorithmsInRow(
  attributes: ObjectAttributes,
  verifiedBySums: boolean,
): readonly ChecksumAlgorithm[] {
  const stated = expectedDigest(attributes)
  return stated === undefined || verifiedBySums ? ['xxh64'] : ['xxh64', stated.algorithm]
}

/** @throws Failure `backend-corrupt` when the bytes of `key` are not those that the backend states */
export function checkDigest(key: string, stated: Checksum, hex: string | undefined): void {
  if (hex === stated.hex) return
  throw new Failure(
    'backend-corrupt',
    `${key}: the bytes do not match the ${stated.algorithm} that the backend states`,
  )
}
