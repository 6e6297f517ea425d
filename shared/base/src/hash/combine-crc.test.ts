import { createHash } from 'node:crypto'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type CrcAlgorithm, combineCrcs, compositeDigest } from './combine-crc.ts'
import { hashBuffer } from './digester.ts'

const CRCS: readonly CrcAlgorithm[] = ['crc32', 'crc32c', 'crc64nvme']

test.each(CRCS)('the %s of any parts combines to that of the whole', (algorithm) => {
  const parts = fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 8 })
  fc.assert(
    fc.property(parts, (bytes) => {
      const crcs = bytes.map((part) => ({
        hex: hashBuffer(algorithm, part),
        sizeBytes: part.length,
      }))
      expect(combineCrcs(algorithm, crcs)).toBe(hashBuffer(algorithm, Buffer.concat(bytes)))
    }),
  )
})

test.each(CRCS)('the %s of no parts is that of no bytes', (algorithm) => {
  expect(combineCrcs(algorithm, [])).toBe(hashBuffer(algorithm, Buffer.alloc(0)))
})

test.each(CRCS)('the %s of sizes above 4 GiB follows the doubling rule', (algorithm) => {
  // Zero bytes: 2^33 of them are two halves, four quarters, and so on down to one MiB computed.
  const mebibyte = { hex: hashBuffer(algorithm, Buffer.alloc(2 ** 20)), sizeBytes: 2 ** 20 }
  let doubled = mebibyte
  while (doubled.sizeBytes < 2 ** 33) {
    doubled = { hex: combineCrcs(algorithm, [doubled, doubled]), sizeBytes: doubled.sizeBytes * 2 }
  }
  const stepwise = combineCrcs(
    algorithm,
    Array.from({ length: 2 ** 13 }, () => mebibyte),
  )
  expect(doubled.hex).toBe(stepwise)
})

test.each(CRCS)('a %s of the wrong width is a mistake of the caller', (algorithm) => {
  expect(() => combineCrcs(algorithm, [{ hex: 'abc', sizeBytes: 1 }])).toThrow(/3 digits/)
  expect(() => combineCrcs(algorithm, [{ hex: '0'.repeat(8), sizeBytes: -1 }])).toThrow()
})

test('a composite is the digest of the raw digests of the parts', () => {
  const parts = ['one', 'two', 'three'].map((text) => Buffer.from(text))
  for (const algorithm of ['sha1', 'sha256', 'md5'] as const) {
    const raw = parts.map((part) => createHash(algorithm).update(part).digest())
    const expected = createHash(algorithm).update(Buffer.concat(raw)).digest('hex')
    expect(
      compositeDigest(
        algorithm,
        parts.map((part) => hashBuffer(algorithm, part)),
      ),
    ).toBe(expected)
  }
  // CRC-32 of the four bytes cb f4 39 26, the check value of CRC-32.
  expect(compositeDigest('crc32', ['cbf43926'])).toBe(
    hashBuffer('crc32', Buffer.from([0xcb, 0xf4, 0x39, 0x26])),
  )
  expect(() => compositeDigest('sha1', ['cbf43926'])).toThrow(/8 digits/)
})
