import { Failure } from '@forebay/base/failure'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'

/** AIStore's checksum types that are verified, and ours for them; both xxhash words mean XXH64, seed 0. */
const ALGORITHMS: ReadonlyMap<string, { algorithm: ChecksumAlgorithm; hexLength: number }> =
  new Map([
    ['xxhash', { algorithm: 'xxh64', hexLength: 16 }],
    ['xxhash2', { algorithm: 'xxh64', hexLength: 16 }],
    ['crc32c', { algorithm: 'crc32c', hexLength: 8 }],
    ['md5', { algorithm: 'md5', hexLength: 32 }],
    ['sha256', { algorithm: 'sha256', hexLength: 64 }],
  ])

/** Order in which a read names one of several stored checksums; AIStore's default first. */
const PREFERRED: readonly (readonly [ChecksumAlgorithm, string])[] = [
  ['xxh64', 'xxhash2'],
  ['crc32c', 'crc32c'],
  ['md5', 'md5'],
  ['sha256', 'sha256'],
]

/**
 * Reads `Ais-Checksum-Type` and `Ais-Checksum-Value`.
 *
 * @returns `undefined` when neither is there, or the type is `none`
 * @throws Failure `digest-invalid`
 */
export function decodeChecksum(
  type: string | undefined,
  value: string | undefined,
): Checksum | undefined {
  if (type === undefined || type === '' || type === 'none') {
    if (value === undefined || value === '' || type === 'none') return undefined
    throw new Failure('digest-invalid', 'Ais-Checksum-Value needs Ais-Checksum-Type')
  }
  const known = ALGORITHMS.get(type.toLowerCase())
  if (known === undefined) {
    throw new Failure(
      'digest-invalid',
      `checksum type "${type.slice(0, 32)}" is not one of ${[...ALGORITHMS.keys()].join(', ')}`,
    )
  }
  const hex = (value ?? '').toLowerCase()
  if (!/^[0-9a-f]+$/.test(hex) || hex.length !== known.hexLength) {
    throw new Failure(
      'digest-invalid',
      `Ais-Checksum-Value must have ${known.hexLength} hexadecimal digits for ${type}`,
    )
  }
  return { algorithm: known.algorithm, kind: 'whole', hex }
}

/** The checksum of the whole object that AIStore's clients can check; `undefined` where none is known. */
export function encodeChecksum(
  checksums: readonly Checksum[],
): { readonly type: string; readonly value: string } | undefined {
  for (const [algorithm, type] of PREFERRED) {
    const found = checksums.find((sum) => sum.algorithm === algorithm && sum.kind === 'whole')
    if (found !== undefined) return { type, value: found.hex }
  }
  return undefined
}
