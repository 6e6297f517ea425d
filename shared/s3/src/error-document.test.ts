import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { errorHeaders, renderError, s3CodeOf, s3StatusOf } from './error-document.ts'

const context = { requestId: 'R1', hostId: 'H1', resource: '/b/k', bucket: 'b', key: 'a<b' }

test('a failure names code, message, what it is about, and the request', () => {
  expect(
    renderError(new Failure('object-not-found', 'the specified key does not exist'), context),
  ).toBe(
    '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message><Resource>/b/k</Resource><BucketName>b</BucketName><Key>a&lt;b</Key><RequestId>R1</RequestId><HostId>H1</HostId></Error>',
  )
})

test('facts that S3 documents are elements, others stay inside', () => {
  const failure = new Failure('range-not-satisfiable', 'the range is outside the object', {
    facts: { actualObjectSize: 5, path: '/disk/1' },
  })
  expect(renderError(failure, context)).toContain('<ActualObjectSize>5</ActualObjectSize>')
  expect(renderError(failure, context)).not.toContain('/disk/1')
  expect(errorHeaders(failure)).toEqual(['content-range', 'bytes */5'])
})

test('what went wrong inside is not told', () => {
  const failure = new Failure('disk-error', 'EIO on /disk/1')
  expect(renderError(failure, context)).not.toContain('/disk/1')
  expect(s3CodeOf(failure)).toBe('InternalError')
})

test('a refusal for now says when to come back', () => {
  expect(errorHeaders(new Failure('slow-down', 'busy'))).toEqual(['retry-after', 1])
  expect(errorHeaders(new Failure('unavailable', 'x', { retryAfterSeconds: 2.2 }))).toEqual([
    'retry-after',
    3,
  ])
  expect(errorHeaders(new Failure('access-denied', 'x'))).toEqual([])
  for (const code of ['backend-unreachable', 'backend-timeout', 'backend-corrupt'] as const) {
    expect(errorHeaders(new Failure(code, 'x'))).toEqual(['retry-after', 1])
  }
})

test('the message is what S3 says, and our own words are a hint', () => {
  const failure = new Failure('bucket-name-invalid', 'it is too short', { hint: 'Take three.' })
  expect(renderError(failure, context)).toContain(
    '<Message>The specified bucket is not valid.</Message><Hint>It is too short. Take three.</Hint>',
  )
  expect(renderError(new Failure('argument-invalid', 'n is no number'), context)).toContain(
    '<Message>N is no number.</Message><Resource>',
  )
})

test('a key that is no path is refused in the words of S3, and the hint says what is wrong', () => {
  const failure = new Failure('key-not-portable', 'the object key is no path: it is empty')
  expect(renderError(failure, context)).toContain(
    '<Code>400</Code><Message>Bad Request</Message><Hint>The object key is no path: it is empty.</Hint>',
  )
})

test('headers that are too large are a 400 in the words of S3', () => {
  const failure = new Failure('headers-too-large', 'n', { facts: { maxSizeAllowed: 8192 } })
  expect(s3StatusOf(failure)).toBe(400)
  expect(renderError(failure, context)).toContain(
    '<Code>RequestHeaderSectionTooLarge</Code><Message>Your request header section exceeds the maximum allowed size.</Message>',
  )
  expect(renderError(failure, context)).toContain('<MaxSizeAllowed>8192</MaxSizeAllowed>')
  expect(s3StatusOf(new Failure('object-not-found', 'n'))).toBe(404)
})
