import { isFailure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import {
  parseAlgorithm,
  parseChecksum,
  parseChecksumKind,
  parseStatedDigests,
  pushChecksums,
} from './checksum-headers.ts'

const MD5 = 'XUFAKrxLKna5cZ2REBfFkg=='

test('a request states an MD5 and one checksum', () => {
  expect(
    parseStatedDigests(
      {
        'content-md5': MD5,
        'x-amz-checksum-crc32': 'NhCmhg==',
        'x-amz-sdk-checksum-algorithm': 'CRC32',
      },
      false,
    ),
  ).toEqual({
    checksum: { algorithm: 'crc32', kind: 'whole', hex: '3610a686' },
    contentMd5Hex: '5d41402abc4b2a76b9719d911017c592',
    trailer: undefined,
  })
})

test('a checksum can come behind the body', () => {
  expect(parseStatedDigests({ 'x-amz-trailer': 'X-Amz-Checksum-Crc64nvme' }, true).trailer).toBe(
    'crc64nvme',
  )
})

test.each([
  [{ 'content-md5': 'garbage' }, 'digest-invalid'],
  [{ 'content-md5': '' }, 'digest-invalid'],
  [{ 'content-md5': 'aGVsbG8=' }, 'digest-invalid'],
  [{ 'content-md5': `${MD5}, ${MD5}` }, 'digest-invalid'],
  [{ 'x-amz-checksum-crc32': 'NhCmhg==', 'x-amz-checksum-sha1': 'AAAA' }, 'bad-request'],
  [{ 'x-amz-checksum-crc32': 'NhCm' }, 'bad-request'],
  [{ 'x-amz-checksum-crc32': 'NhCmhh==' }, 'bad-request'],
  [{ 'x-amz-checksum-crc32': '' }, 'bad-request'],
  [{ 'x-amz-checksum-crc16': 'AAAA' }, 'bad-request'],
  [{ 'x-amz-trailer': 'x-amz-checksum-crc16' }, 'bad-request'],
  [{ 'x-amz-trailer': 'x-amz-checksum-crc32, x-amz-checksum-sha1' }, 'bad-request'],
  [{ 'x-amz-trailer': 'x-amz-checksum-crc32', 'x-amz-checksum-crc32': 'NhCmhg==' }, 'bad-request'],
  [{ 'x-amz-sdk-checksum-algorithm': 'CRC32' }, 'bad-request'],
  [{ 'x-amz-sdk-checksum-algorithm': 'SHA1', 'x-amz-checksum-crc32': 'NhCmhg==' }, 'bad-request'],
  [{ 'x-amz-sdk-checksum-algorithm': '__proto__' }, 'bad-request'],
] as const)('%j is refused', (headers, code) => {
  expect(() => parseStatedDigests(headers, true)).toThrow(
    expect.toSatisfy((error) => isFailure(error, code)),
  )
})

test('an announced trailer needs a body that can have one', () => {
  expect(() => parseStatedDigests({ 'x-amz-trailer': 'x-amz-checksum-crc32' }, false)).toThrow(
    'no trailer',
  )
})

test('composites say how many parts they cover', () => {
  expect(parseChecksum('crc32', 'NhCmhg==-2')).toMatchObject({ kind: 'composite', partCount: 2 })
  for (const bad of ['NhCmhg==-0', 'NhCmhg==-10001', 'NhCmhg==-']) {
    expect(() => parseChecksum('crc32', bad)).toThrow('invalid')
  }
})

test('words of algorithms and kinds', () => {
  expect(parseAlgorithm('SHA256')).toBe('sha256')
  expect(parseAlgorithm(undefined)).toBeUndefined()
  expect(() => parseAlgorithm('sha3')).toThrow('algorithm')
  expect(parseAlgorithm('XXHASH3')).toBe('xxh3')
  expect(parseChecksumKind('COMPOSITE')).toBe('composite')
  expect(() => parseChecksumKind('full')).toThrow('x-amz-checksum-type')
})

test('answers name only checksums of the S3 API', () => {
  const flat: (string | number)[] = []
  pushChecksums(flat, [
    { algorithm: 'md5', kind: 'whole', hex: '00' },
    { algorithm: 'crc32', kind: 'composite', hex: '3610a686', partCount: 2 },
  ])
  expect(flat).toEqual(['x-amz-checksum-crc32', 'NhCmhg==-2', 'x-amz-checksum-type', 'COMPOSITE'])
})
