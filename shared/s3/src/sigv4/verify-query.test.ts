import { expect, test } from 'vitest'
import { presign } from './sign.ts'
import {
  changeTarget,
  clientPresign,
  clientSign,
  codeOf,
  date,
  EXAMPLE,
  GET,
  MINUTE,
  NOW,
  PUT,
  refusalOf,
  verify,
} from './test-client.ts'

test('a presigned URL is its signer’s, with an unsigned body (B31)', () => {
  const request = {
    ...GET,
    headers: { ...GET.headers, 'x-amz-content-sha256': 'UNSIGNED-PAYLOAD' },
  }
  expect(verify(clientPresign(request, { date: date() }))).toEqual({
    kind: 'signed',
    accessKey: EXAMPLE.accessKeyId,
    mechanism: 'query',
    payload: { kind: 'unsigned' },
  })
})

test('unsigned chunks with credentials in the query are verified (B23, B24)', () => {
  const headers = {
    host: 'localhost:8080',
    'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
  }
  const target = presign({
    method: 'PUT',
    target: '/bucket/key',
    headers: { host: headers.host },
    credentials: EXAMPLE,
    region: 'us-east-1',
    date: date(),
    expiresSeconds: 60,
  })
  const request = { method: 'PUT', target, rawHeaders: Object.entries(headers).flat() }
  expect(codeOf(request)).toBe('access-denied')
  const zeros = changeTarget(request, /X-Amz-Signature=\w+/, `X-Amz-Signature=${'0'.repeat(64)}`)
  expect(codeOf(zeros)).toBe('access-denied')
  const named = changeTarget(zeros, 'Headers=host', 'Headers=host%3Bx-amz-content-sha256')
  expect(codeOf(named)).toBe('signature-mismatch')
})

test('a presigned URL lasts to its last second and no longer (B32)', () => {
  const options = { date: date(), expiresSeconds: 60 }
  const presigned = clientPresign(GET, options)
  expect(verify(presigned, { clock: { now: () => NOW + 60_000 } }).kind).toBe('signed')
  const late = refusalOf(presigned, { clock: { now: () => NOW + 60_001 } })
  expect(late.code).toBe('request-expired')
})

test('a presigned URL of a week is good, and still good after six days', () => {
  const presigned = clientPresign(GET, { date: date(), expiresSeconds: 604_800 })
  expect(verify(presigned, { clock: { now: () => NOW + 6 * 86_400_000 } }).kind).toBe('signed')
})

test('a presigned URL can be held to an age, however long it was made to last', () => {
  const presigned = clientPresign(GET, { date: date(), expiresSeconds: 604_800 })
  const at = (ms: number) => ({ clock: { now: () => NOW + ms }, signatureAgeMaxMs: 60_000 })
  expect(verify(presigned, at(60_000)).kind).toBe('signed')
  const late = refusalOf(presigned, at(60_001))
  expect(late.code).toBe('request-expired')
  expect(late.facts['expires']).toBe(new Date(NOW + 60_000).toISOString().replace('.000Z', 'Z'))
  const short = clientPresign(GET, { date: date(), expiresSeconds: 30 })
  expect(refusalOf(short, at(30_001)).code).toBe('request-expired')
})

test('a parameter of authentication in another spelling is refused, even if it is signed', () => {
  for (const extra of ['x-amz-expires=604800', 'X%2DAmz%2DExpires=604800', 'X%2damz-date=1']) {
    const target = presign({
      method: 'GET',
      target: `/bucket/key?${extra}`,
      headers: { host: 'localhost' },
      credentials: EXAMPLE,
      region: 'us-east-1',
      date: date(),
      expiresSeconds: 60,
    })
    const request = { method: 'GET', target, rawHeaders: ['Host', 'localhost'] }
    expect(codeOf(request)).toBe('authorization-query-malformed')
  }
})

test.each(['-0', '604801', '1000000000', '-1', '+1', '1.5', '1e3', 'abc', '', '0060', ' 60'])(
  'X-Amz-Expires of %j is refused (B33, B34, B35)',
  (value) => {
    const presigned = clientPresign(GET, { date: date(), expiresSeconds: 60 })
    const changed = changeTarget(
      presigned,
      'X-Amz-Expires=60',
      `X-Amz-Expires=${encodeURIComponent(value)}`,
    )
    expect(codeOf(changed)).toBe('authorization-query-malformed')
  },
)

test('a presigned URL for no time at all is over at once (B33)', () => {
  const presigned = clientPresign(GET, { date: date(), expiresSeconds: 60 })
  const changed = changeTarget(presigned, 'X-Amz-Expires=60', 'X-Amz-Expires=0')
  expect(codeOf(changed)).toBe('request-expired')
})

test('a presigned URL is of its method, path and parameters alone (B37, B38)', () => {
  const presigned = clientPresign(
    { ...GET, query: { versionId: '1' } },
    { date: date(), expiresSeconds: 60 },
  )
  expect(verify(presigned).kind).toBe('signed')
  expect(codeOf({ ...presigned, method: 'DELETE' })).toBe('signature-mismatch')
  expect(codeOf(changeTarget(presigned, '/key', '/other'))).toBe('signature-mismatch')
  expect(codeOf(changeTarget(presigned, 'versionId=1', 'versionId=2'))).toBe('signature-mismatch')
  expect(codeOf(changeTarget(presigned, 'Expires=60', 'Expires=61'))).toBe('signature-mismatch')
  expect(codeOf({ ...presigned, target: `${presigned.target}&acl` })).toBe('signature-mismatch')
  const otherHost = presigned.rawHeaders.map((text) => text.replace('localhost', 'elsewhere'))
  expect(codeOf({ ...presigned, rawHeaders: otherHost })).toBe('signature-mismatch')
})

test('credentials in the header and in the query together are refused (B39)', () => {
  const presigned = clientPresign(GET, { date: date() })
  const signed = clientSign(GET, { date: date() })
  const both = { ...signed, target: presigned.target }
  expect(codeOf(both)).toBe('bad-request')
  const one = { ...signed, target: `${signed.target}?X-Amz-Signature=${'0'.repeat(64)}` }
  expect(codeOf(one)).toBe('bad-request')
})

test.each([
  [15 * MINUTE, 'signed'],
  [15 * MINUTE + 1000, 'request-time-skewed'],
  [20 * MINUTE, 'request-time-skewed'],
] as const)('a presigned URL dated %i ms ahead is %s (B41)', (offset, outcome) => {
  const presigned = clientPresign(GET, { date: date(offset) })
  if (outcome === 'signed') expect(verify(presigned).kind).toBe('signed')
  else expect(codeOf(presigned)).toBe(outcome)
})

test('signature version 2 is refused with a word on what to use', () => {
  const header = ['Host', 'h', 'Authorization', 'AWS AKIAIOSFODNN7EXAMPLE:c2lnbmF0dXJl']
  const requests = [
    { method: 'GET', target: '/b/k', rawHeaders: header },
    {
      method: 'GET',
      target: '/b/k?AWSAccessKeyId=a&Signature=b&Expires=1',
      rawHeaders: ['Host', 'h'],
    },
    { method: 'GET', target: '/b/k?Signature=b', rawHeaders: ['Host', 'h'] },
  ]
  for (const request of requests) {
    const refusal = refusalOf(request)
    expect(refusal.code).toBe('bad-request')
    expect(refusal.message).toContain('use AWS4-HMAC-SHA256')
  }
})

test('a session token is refused, in the header, in the query, and alone (B45)', () => {
  const options = { date: date(), sessionToken: 'token' }
  expect(codeOf(clientSign(PUT, options))).toBe('token-invalid')
  expect(codeOf(clientPresign(GET, options))).toBe('token-invalid')
  const alone = {
    method: 'GET',
    target: '/b/k',
    rawHeaders: ['Host', 'h', 'X-Amz-Security-Token', 't'],
  }
  expect(codeOf(alone)).toBe('token-invalid')
})
