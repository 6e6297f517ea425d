import assert from 'node:assert/strict'
import { DIGEST_HEX_LENGTH, type HashAlgorithm } from './algorithms.ts'
import { hashBuffer } from './digester.ts'

/** CRCs of parts make the CRC of the whole (S3 API, checksum type FULL_OBJECT). */
export type CrcAlgorithm = 'crc32' | 'crc32c' | 'crc64nvme'

/** Algorithms with a digest of part digests (S3 API, checksum type COMPOSITE; `md5` makes ETags). */
export type CompositeAlgorithm = Exclude<HashAlgorithm, 'crc64nvme'>

/** The CRC of one part, and how many bytes it covers. */
export interface CrcPart {
  /** Lower-case hexadecimal of full width. */
  readonly hex: string
  /** 0..2^53-1. */
  readonly sizeBytes: number
}

/**
 * A polynomial over GF(2) below the CRC's own, bits reversed as the CRCs are: the coefficient of x^0
 * is the highest bit of `high`. 32-bit CRCs leave `low` at 0.
 */
interface Polynomial {
  readonly high: number
  readonly low: number
}

interface CrcField {
  readonly bits: 32 | 64
  /** The CRC's polynomial without its highest term. */
  readonly modulus: Polynomial
}

const FIELDS: Readonly<Record<CrcAlgorithm, CrcField>> = {
  crc32: { bits: 32, modulus: { high: 0xedb88320, low: 0 } },
  crc32c: { bits: 32, modulus: { high: 0x82f63b78, low: 0 } },
  crc64nvme: { bits: 64, modulus: { high: 0x9a6c9329, low: 0xac4bc9b5 } },
}

const ONE: Polynomial = { high: 0x80000000, low: 0 }

/** x^8, the shift by one byte. */
const BYTE: Polynomial = { high: 0x00800000, low: 0 }

/** x^(8 * 2^n) modulo the CRC's polynomial, n = 0, 1, ...: filled as far as sizes need it. */
const doublings: Readonly<Record<CrcAlgorithm, Polynomial[]>> = {
  crc32: [BYTE],
  crc32c: [BYTE],
  crc64nvme: [BYTE],
}

/**
 * The CRC of the parts one after the other, as if computed over all their bytes.
 *
 * @returns lower-case hexadecimal of full width; the CRC of no bytes for no parts
 */
export function combineCrcs(algorithm: CrcAlgorithm, parts: Iterable<CrcPart>): string {
  const field = FIELDS[algorithm]
  let crc: Polynomial = { high: 0, low: 0 }
  for (const { hex, sizeBytes } of parts) {
    // All three CRCs start with ones and end inverted, which cancels out: shift, then add.
    const shifted = multiply(crc, shiftOf(algorithm, sizeBytes), field)
    const part = fromHex(hex, field)
    crc = { high: (shifted.high ^ part.high) >>> 0, low: (shifted.low ^ part.low) >>> 0 }
  }
  return toHex(crc, field)
}

/**
 * The digest of the raw digests of the parts, one after the other.
 *
 * @param partHexes lower-case hexadecimal of full width
 * @returns lower-case hexadecimal, without the `-N` that the S3 API appends
 */
export function compositeDigest(
  algorithm: CompositeAlgorithm,
  partHexes: readonly string[],
): string {
  for (const hex of partHexes) checkWidth(hex, algorithm)
  return hashBuffer(algorithm, Buffer.from(partHexes.join(''), 'hex'))
}

/** x^(8 * sizeBytes), by the binary digits of the size. */
function shiftOf(algorithm: CrcAlgorithm, sizeBytes: number): Polynomial {
  assert(Number.isSafeInteger(sizeBytes) && sizeBytes >= 0)
  const field = FIELDS[algorithm]
  const known = doublings[algorithm]
  let shift = ONE
  let rest = sizeBytes
  for (let digit = 0; rest > 0; digit += 1) {
    let factor = known[digit]
    if (factor === undefined) {
      const half = known[digit - 1] ?? BYTE
      factor = multiply(half, half, field)
      known.push(factor)
    }
    if (rest % 2 === 1) shift = multiply(shift, factor, field)
    rest = Math.floor(rest / 2)
  }
  return shift
}

/** The product modulo the CRC's polynomial: one shift and at most two additions a bit, 0.1 us. */
function multiply(left: Polynomial, right: Polynomial, field: CrcField): Polynomial {
  const { bits, modulus } = field
  let { high, low } = right
  let productHigh = 0
  let productLow = 0
  for (let bit = 0; bit < bits; bit += 1) {
    const word = bit < 32 ? left.high : left.low
    if (((word << (bit % 32)) & 0x80000000) !== 0) {
      productHigh ^= high
      productLow ^= low
    }
    const carry = (bits === 64 ? low : high) & 1
    if (bits === 64) low = (low >>> 1) | (high << 31)
    high >>>= 1
    if (carry === 1) {
      high ^= modulus.high
      low ^= modulus.low
    }
  }
  return { high: productHigh >>> 0, low: productLow >>> 0 }
}

function fromHex(hex: string, field: CrcField): Polynomial {
  const expected = field.bits / 4
  assert(hex.length === expected, `a CRC of ${hex.length} digits, not ${expected}`)
  return {
    high: Number.parseInt(hex.slice(0, 8), 16),
    low: field.bits === 64 ? Number.parseInt(hex.slice(8), 16) : 0,
  }
}

function toHex(crc: Polynomial, field: CrcField): string {
  const high = crc.high.toString(16).padStart(8, '0')
  return field.bits === 64 ? high + crc.low.toString(16).padStart(8, '0') : high
}

function checkWidth(hex: string, algorithm: HashAlgorithm): void {
  assert(hex.length === DIGEST_HEX_LENGTH[algorithm], `a digest of ${hex.length} digits`)
}
