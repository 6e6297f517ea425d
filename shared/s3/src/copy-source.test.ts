import { isFailure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { parseCopySource, parseCopySourceRange, whyNoSource } from './copy-source.ts'

test.each([
  ['b/k', 'b', 'k'],
  ['/b/k', 'b', 'k'],
  ['b%2Fa%2Fk', 'b', 'a/k'],
  ['/b/a%20b+c%25', 'b', 'a b+c%'],
  ['b/%2e%2e/%2e%2e/etc/passwd', 'b', '../../etc/passwd'],
  ['b//k/', 'b', '/k/'],
  ['b/k?versionId=null', 'b', 'k'],
  ['b/k?x', 'b', 'k?x'],
  ['b/\xc3\xbc', 'b', 'ü'],
])('%s names %s and %s', (value, bucket, key) => {
  expect(parseCopySource({ 'x-amz-copy-source': value })).toEqual({ bucket, key })
})

test.each([
  ['', 'argument-invalid'],
  ['/', 'argument-invalid'],
  ['b', 'argument-invalid'],
  ['b/', 'argument-invalid'],
  ['/b', 'argument-invalid'],
  ['b/%', 'argument-invalid'],
  ['b/%ff', 'argument-invalid'],
  ['b/a%00', 'argument-invalid'],
  [`b/${'k'.repeat(1025)}`, 'key-too-long'],
  ['b/k?versionId=abc', 'not-implemented'],
  ['arn:aws:s3:us-east-1:1:accesspoint/x/object/y', 'not-implemented'],
] as const)('%j is refused', (value, code) => {
  expect(() => parseCopySource({ 'x-amz-copy-source': value })).toThrow(
    expect.toSatisfy((error) => isFailure(error, code)),
  )
})

test.each([
  ['192.168.1.1', 'k', 'Invalid copy source bucket name'],
  ['my-buc@k&()t', 'k', 'Invalid copy source bucket name'],
  ['bucket', '.', 'Invalid copy source object key'],
  ['bucket', './', 'Invalid copy source object key'],
  ['bucket', '..', 'Invalid copy source object key'],
  ['bucket', '../', 'Invalid copy source object key'],
  ['bucket', 'a/../../b', 'Invalid copy source object key'],
  ['bucket', 'a/b/../..', 'Invalid copy source object key'],
  ['bucket', '../bucket/k', 'Invalid copy source object key'],
  ['bucket', 'a/../b', undefined],
  ['bucket', '..a', undefined],
  ['bucket', 'a//b/./c', undefined],
])('where bucket %s is missing, the source %s is %s', (bucket, key, message) => {
  const failure = whyNoSource({ bucket, key })
  expect(failure?.message).toBe(message)
  if (failure !== undefined) expect(isFailure(failure, 'argument-invalid')).toBe(true)
})

test('a range of the source has both ends', () => {
  const range = (value: string) => parseCopySourceRange({ 'x-amz-copy-source-range': value })
  expect(parseCopySourceRange({})).toBeUndefined()
  expect(range('bytes=0-0')).toEqual({ first: 0, last: 0 })
  for (const bad of [
    'bytes=0-',
    'bytes=-5',
    'bytes=2-1',
    '0-1',
    'bytes=0-1,2-3',
    'bytes=a-b',
    '',
  ]) {
    expect(() => range(bad)).toThrow('must be of the form')
  }
})
