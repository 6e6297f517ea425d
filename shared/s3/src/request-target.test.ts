import { isFailure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { bucketOfHost, parseRequestTarget, TARGET_BYTES_MAX } from './request-target.ts'

test.each([
  ['/', undefined, undefined],
  ['/s3', undefined, undefined],
  ['/s3/', undefined, undefined],
  ['/b', 'b', undefined],
  ['/b/', 'b', undefined],
  ['/s3/b/k', 'b', 'k'],
  ['/s3b/k', 's3b', 'k'],
  ['/s3/s3/k', 's3', 'k'],
  ['/b//k', 'b', '/k'],
  ['/b/../../etc/passwd', 'b', '../../etc/passwd'],
  ['/b/%2e%2e/x', 'b', '../x'],
  ['/b/a%2Fb%20c+d%25', 'b', 'a/b c+d%'],
  ['/b/k/', 'b', 'k/'],
  ['/%2e%2e', '..', undefined],
  ['/a%2Fb', 'a/b', undefined],
])('%s is bucket %j, key %j', (raw, bucket, key) => {
  expect(parseRequestTarget(raw)).toMatchObject({ bucket, key })
  expect(parseRequestTarget(`${raw}?x-id=1`)).toMatchObject({ bucket, key, rawPath: raw })
})

test('in virtual-host style the whole path is the key', () => {
  expect(parseRequestTarget('/s3/x', 'b')).toMatchObject({ bucket: 'b', key: 's3/x' })
  expect(parseRequestTarget('/', 'b')).toMatchObject({ bucket: 'b', key: undefined })
  expect(parseRequestTarget('//', 'b')).toMatchObject({ bucket: 'b', key: '/' })
})

test.each([
  ['http://other.example/b/k', 'uri-invalid'],
  ['*', 'uri-invalid'],
  ['b/k', 'uri-invalid'],
  ['/b/%ff', 'uri-invalid'],
  ['/b/%', 'uri-invalid'],
  ['/b/a%00b', 'key-invalid'],
  ['//k', 'bucket-name-invalid'],
  ['/s3//k', 'bucket-name-invalid'],
  [`/b/${'k'.repeat(1025)}`, 'key-too-long'],
  [`/b?${'k'.repeat(TARGET_BYTES_MAX)}`, 'uri-invalid'],
] as const)('%s is refused', (raw, code) => {
  expect(() => parseRequestTarget(raw)).toThrow(expect.toSatisfy((error) => isFailure(error, code)))
})

test('a key of 1,024 bytes passes', () => {
  expect(parseRequestTarget(`/b/${'k'.repeat(1024)}`).key).toHaveLength(1024)
})

test('the Host header names a bucket only below a base domain', () => {
  const domains = ['s3.local', 'eu.s3.local']
  expect(bucketOfHost('b.s3.local:8080', domains)).toBe('b')
  expect(bucketOfHost('B.S3.Local', domains)).toBe('b')
  expect(bucketOfHost('b.eu.s3.local', domains)).toBe('b')
  expect(bucketOfHost('a.b.s3.local', domains)).toBe('a.b')
  for (const host of ['s3.local', '.s3.local', 'xs3.local', '127.0.0.1:8080', undefined]) {
    expect(bucketOfHost(host, domains)).toBeUndefined()
  }
})
