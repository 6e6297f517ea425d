import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeBytes, formatBytes, parseBytes } from './bytes.ts'

describe('a size', () => {
  test.each([
    ['0', 0],
    ['4096', 4096],
    ['1B', 1],
    ['1KB', 1000],
    ['1KiB', 1024],
    ['4MiB', 4 * 1024 ** 2],
    ['4mib', 4 * 1024 ** 2],
    ['1GB', 1e9],
    ['1.5 GiB', 1.5 * 1024 ** 3],
    [' 2TiB ', 2 * 1024 ** 4],
    ['9007199254740991', Number.MAX_SAFE_INTEGER],
  ])('%j is %d bytes', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes)
  })

  test.each([
    ['', /is not a size/],
    ['-1', /is not a size/],
    ['1e9', /is not a size/],
    ['0x10', /is not a size/],
    ['NaN', /is not a size/],
    ['1M', /unknown unit "M"/],
    ['1 parsec', /unknown unit "parsec"/],
    ['0.5', /not a whole number/],
    ['1.3KiB', /not a whole number/],
    ['9007199254740992', /larger than 2\^53-1/],
    ['9PiB9', /is not a size/],
    ['1000PiB', /larger than 2\^53-1/],
  ])('%j is refused, saying why', (text, why) => {
    expect(() => parseBytes(text)).toThrow(why)
  })

  test.each([
    [Number.NaN, /not a finite number/],
    [Number.POSITIVE_INFINITY, /not a finite number/],
    [-1, /negative/],
    [0.5, /not a whole number/],
    [2 ** 53, /larger/],
  ])('the number %d is refused, saying why', (value, why) => {
    expect(() => parseBytes(value)).toThrow(why)
  })

  test('a refusal is an argument-invalid that names the units', () => {
    expect(() => parseBytes('1M')).toThrow(
      expect.objectContaining({
        code: 'argument-invalid',
        message: expect.stringContaining('KiB, MiB, GiB'),
      }),
    )
  })
})

test('what is formatted is read back as the same number of bytes', () => {
  const sizes = fc.oneof(
    fc.maxSafeNat(),
    fc
      .tuple(fc.nat(999), fc.constantFrom(1000, 1024, 1e6, 1024 ** 2, 1e9, 1024 ** 3))
      .map(([count, unit]) => count * unit),
  )
  fc.assert(fc.property(sizes, (bytes) => parseBytes(formatBytes(bytes)) === bytes))
})

test.each([
  [4 * 1024 ** 2, '4MiB'],
  [1e9, '1GB'],
  [4097, '4097'],
  [0, '0'],
])('%d bytes are written as %s', (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text)
})

test.each([
  [512, '512 B'],
  [1023, '1023 B'],
  [1024, '1.00 KiB'],
  [1.42 * 1024 ** 3, '1.42 GiB'],
  [150 * 1024 ** 2, '150 MiB'],
])('%d bytes read as %s', (bytes, text) => {
  expect(describeBytes(bytes)).toBe(text)
})
