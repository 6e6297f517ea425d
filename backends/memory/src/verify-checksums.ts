import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { Failure } from '@forebay/base/failure'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'

/**
 * Compares what a writer stated with the bytes that came.
 *
 * Algorithms that Node has no function for (crc32c, crc64nvme, xxh64, xxh3) are taken on trust, as many
 * stores do.
 *
 * @throws Failure `digest-mismatch`
 */
export function verifyChecksums(
  bytes: Buffer,
  stated: { readonly checksums: readonly Checksum[]; readonly contentMd5Hex?: string | undefined },
): void {
  const { checksums, contentMd5Hex } = stated
  if (contentMd5Hex !== undefined) verify(bytes, 'md5', contentMd5Hex)
  for (const { algorithm, kind, hex } of checksums) {
    if (kind === 'whole') verify(bytes, algorithm, hex)
  }
}

function verify(bytes: Buffer, algorithm: ChecksumAlgorithm, wanted: string): void {
  const found = digest(bytes, algorithm)
  if (found === undefined || found === wanted) return
  throw new Failure('digest-mismatch', `the ${algorithm} of the bytes is ${found}, not ${wanted}`)
}

function digest(bytes: Buffer, algorithm: ChecksumAlgorithm): string | undefined {
  switch (algorithm) {
    case 'md5':
    case 'sha1':
    case 'sha256':
    case 'sha512':
      return createHash(algorithm).update(bytes).digest('hex')
    case 'crc32':
      return crc32(bytes).toString(16).padStart(8, '0')
    case 'crc32c':
    case 'crc64nvme':
    case 'xxh64':
    case 'xxh3':
    case 'xxh128':
      return undefined
    default:
      return algorithm satisfies never
  }
}
