import { createCRC64 } from 'hash-wasm'
import { expect, test } from 'vitest'
import { FOLD_SPAN_BYTES, SPARSE_EXPONENTS } from './crc64-code.ts'
import { Crc64Nvme } from './crc64-nvme.ts'

/** CRC-64/NVME, bits reversed. */
const POLYNOMIAL = 0x9a6c9329ac4bc9b5n

const reference = await createCRC64(POLYNOMIAL.toString(16))

test('the sparse polynomial is a multiple of that of CRC-64/NVME', () => {
  // x^n modulo the polynomial, in the order of bits in which the CRC has them.
  let power = 1n << 63n
  let sum = power
  for (let exponent = 1; exponent <= SPARSE_EXPONENTS[0]; exponent += 1) {
    power = (power >> 1n) ^ ((power & 1n) === 1n ? POLYNOMIAL : 0n)
    if (SPARSE_EXPONENTS.some((one) => one === exponent)) sum ^= power
  }
  expect(sum).toBe(0n)
})

test('what is folded at a time does not reach its own nearest place', () => {
  expect(SPARSE_EXPONENTS[0] - SPARSE_EXPONENTS[1]).toBeGreaterThanOrEqual(64)
})

test('runs around the least that is folded, and around a buffer, have the CRC of the reference', () => {
  const least = 2 * FOLD_SPAN_BYTES
  const buffer = 64 * 1024
  const bytes = Buffer.alloc(2 * buffer + 100)
  for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 167 + (at >> 7) * 31) & 0xff
  const lengths = [0, 1, 7, 8, 9, 15, 16, 17, FOLD_SPAN_BYTES]
  for (let off = -33; off <= 33; off += 1) lengths.push(least + off, buffer + off)
  lengths.push(2 * buffer, bytes.length)
  for (const length of lengths) {
    const crc = new Crc64Nvme()
    // The second run begins where the state is not the initial one, and the buffer is not zero.
    crc.update(bytes.subarray(0, length))
    crc.update(bytes.subarray(3, 3 + length))
    reference.init()
    reference.update(bytes.subarray(0, length))
    reference.update(bytes.subarray(3, 3 + length))
    expect(crc.digest(), `${length} bytes`).toBe(reference.digest('hex'))
  }
})
