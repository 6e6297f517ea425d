import { isFailure } from '@forebay/base/failure'
import { describe, expect, test } from 'vitest'
import { percentDecode, percentEncode } from './percent.ts'

describe('decoding', () => {
  test.each([
    ['a%2Fb', 'a/b'],
    ['a+b', 'a+b'],
    ['%2520', '%20'],
    ['%F0%9F%98%80', '😀'],
    ['\xc3\xbc', 'ü'],
    ['\xc3%BC', 'ü'],
    ['plain/../.', 'plain/../.'],
  ])('%j means %j', (raw, value) => {
    expect(percentDecode(raw)).toBe(value)
  })

  test.each(['%', '%4', '%zz', '%ff', '\xff', '%C0%AF', '%ED%A0%80'])('%j is refused', (raw) => {
    expect(() => percentDecode(raw)).toThrow(
      expect.toSatisfy((error) => isFailure(error, 'uri-invalid')),
    )
  })
})

describe('encoding of listings', () => {
  test.each([
    ['a/b-c_d.e~f', 'a/b-c_d.e~f'],
    ['a b+c', 'a%20b%2Bc'],
    ["!'()*", '%21%27%28%29%2A'],
    ['ü😀', '%C3%BC%F0%9F%98%80'],
    ['\x01%', '%01%25'],
  ])('%j is written %j', (value, encoded) => {
    expect(percentEncode(value)).toBe(encoded)
    expect(decodeURIComponent(encoded)).toBe(value)
  })
})
