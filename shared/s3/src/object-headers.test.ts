import { METADATA_BYTES_MAX } from '@forebay/base/limits'
import { expect, test } from 'vitest'
import {
  parseMetadata,
  parseStorageClass,
  parseStoredHeaders,
  pushMetadata,
  toHeaderValue,
} from './object-headers.ts'

test('metadata named __proto__ and constructor are data', () => {
  const headers = JSON.parse('{"x-amz-meta-__proto__":"a","x-amz-meta-constructor":"b","x":"c"}')
  const metadata = parseMetadata(headers)
  expect(Object.entries(metadata)).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ])
  const flat: (string | number)[] = []
  pushMetadata(flat, metadata)
  expect(flat).toEqual(['x-amz-meta-__proto__', 'a', 'x-amz-meta-constructor', 'b'])
})

test('repeated metadata is joined by a bare comma, and nothing else changes', () => {
  const headers = { 'x-amz-meta-a': '1, 2', 'x-amz-meta-b': 'x, y' }
  const distinct = () => ({ 'x-amz-meta-a': ['1', '2'], 'x-amz-meta-b': ['x, y'] })
  expect({ ...parseMetadata(headers, distinct) }).toEqual({ a: '1,2', b: 'x, y' })
})

test('the last good and the first bad size of metadata', () => {
  const value = 'v'.repeat(METADATA_BYTES_MAX - 1)
  expect(parseMetadata({ 'x-amz-meta-a': value })['a']).toHaveLength(METADATA_BYTES_MAX - 1)
  expect(() => parseMetadata({ 'x-amz-meta-ab': value })).toThrow('larger than')
})

test('metadata that no header can carry is counted or encoded', () => {
  const flat: (string | number)[] = []
  pushMetadata(flat, { 'a b': '1', ok: 'ü\n€' })
  expect(flat).toEqual(['x-amz-meta-ok', '=?UTF-8?B?w7wK4oKs?=', 'x-amz-missing-meta', 1])
})

test('bytes above 0x7f in a header value stay as they came', () => {
  expect(toHeaderValue('\xc3\xbc\t')).toBe('\xc3\xbc\t')
  expect(toHeaderValue('a\r\nx: y')).toMatch(/^=\?UTF-8\?B\?/)
})

test.each([
  ['aws-chunked', undefined],
  ['gzip', 'gzip'],
  ['gzip,aws-chunked', 'gzip'],
  ['AWS-chunked, gzip, br', 'gzip, br'],
  ['', ''],
])('the encoding %j is stored as %j', (sent, stored) => {
  expect(parseStoredHeaders({ 'content-encoding': sent }).contentEncoding).toBe(stored)
})

test('storage classes are words that S3 knows', () => {
  expect(parseStorageClass({})).toBeUndefined()
  expect(parseStorageClass({ 'x-amz-storage-class': 'STANDARD' })).toBeUndefined()
  expect(parseStorageClass({ 'x-amz-storage-class': 'GLACIER' })).toBe('GLACIER')
  for (const bad of ['FOO', '', 'standard']) {
    expect(() => parseStorageClass({ 'x-amz-storage-class': bad })).toThrow('storage class')
  }
})
