import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { systemClock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import { deriveSigningKey, signatureOf } from '@forebay/s3/sigv4/signing-key'
import { expect, test } from 'vitest'
import { Authenticator } from './authenticator.ts'

const user = {
  id: 'u',
  accessKey: 'AKUSER',
  secretKey: 'secret-of-the-user',
  policy: 'readwrite',
  buckets: ['*'],
} as const

const common = { users: [user], region: 'us-east-1', clock: systemClock }
const closed = new Authenticator({ ...common, mode: 'users', metricsToken: 'metrics-token' })
const open = new Authenticator({ ...common, mode: 'open' })

function message(method: string, url: string, headers: Record<string, string> = {}) {
  const made = new IncomingMessage(new Socket())
  made.method = method
  made.url = url
  Object.assign(made.headers, headers)
  made.rawHeaders = Object.entries(headers).flat()
  return made
}

const denied = expect.toSatisfy((error) => isFailure(error, 'access-denied'))

test('with users nobody enters without a signature', () => {
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS', 'TRACE']) {
    expect(() => closed.authenticate(message(method, '/b/k'))).toThrow(denied)
    expect(() => closed.authenticateNative(message(method, '/v1/daemon'))).toThrow(denied)
  }
})

test('only the health itself and the document of the API are public', () => {
  const kind = (method: string, url: string) =>
    closed.authenticateNative(message(method, url)).identity.kind
  expect(kind('GET', '/v1/health')).toBe('nobody')
  expect(kind('HEAD', '/v1/health?readiness=true')).toBe('nobody')
  expect(kind('GET', '/v1/openapi.json')).toBe('nobody')
  expect(kind('GET', '/v1/docs')).toBe('nobody')
  for (const [method, url] of [
    ['PUT', '/v1/health'],
    ['GET', '/v1/healthy'],
    ['GET', '/v1/health/../daemon'],
    ['GET', '/v1/docs/../jobs'],
    ['POST', '/v1/openapi.json'],
    ['GET', '/v1/buckets?/v1/health'],
  ] as const) {
    expect(() => kind(method, url)).toThrow(denied)
  }
})

test('the metrics open with their token, and nothing else does', () => {
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const good = message('GET', '/metrics', bearer('metrics-token'))
  expect(closed.mayReadMetrics(good)).toBe(true)
  expect(closed.authenticateNative(good).identity.kind).toBe('nobody')
  for (const bad of [
    message('GET', '/metrics'),
    message('GET', '/metrics', bearer('metrics-token2')),
    message('GET', '/v1/daemon', bearer('metrics-token')),
  ]) {
    expect(closed.mayReadMetrics(bad)).toBe(false)
    expect(() => closed.authenticateNative(bad)).toThrow()
  }
})

test('in open mode it does not matter who signed', () => {
  const signed = message('GET', '/b/k', { authorization: 'AWS4-HMAC-SHA256 garbage' })
  expect(open.authenticate(signed).identity.kind).toBe('open')
  expect(open.authenticate(message('GET', '/b/k')).identity.kind).toBe('open')
})

test('in open mode the payload header is still read', () => {
  const hash = 'a'.repeat(64)
  expect(
    open.authenticate(message('PUT', '/b/k', { 'x-amz-content-sha256': hash })).payload,
  ).toEqual({ kind: 'hash', sha256Hex: hash })
  expect(() =>
    open.authenticate(message('PUT', '/b/k', { 'x-amz-content-sha256': 'garbage' })),
  ).toThrow(expect.toSatisfy((error) => isFailure(error, 'argument-invalid')))
})

test('signatures of version 2 are taken where they are allowed, and neither bodies nor ages matter', () => {
  const url = '/b/k?AWSAccessKeyId=AKUSER&Signature=AAAA&Expires=9999999999'
  const door = { hostBucketOf: () => undefined }
  const codeOf = (options: Partial<ConstructorParameters<typeof Authenticator>[0]>) => {
    const authenticator = new Authenticator({ ...common, mode: 'users', ...options })
    try {
      authenticator.authenticateS3(message('GET', url), door)
    } catch (error) {
      return isFailure(error) ? error.code : error
    }
    return 'taken'
  }
  expect(codeOf({ allowSignatureV2: true })).toBe('signature-mismatch')
  expect(codeOf({ allowSignatureV2: true, allowUnsignedPayload: false })).toBe('bad-request')
  expect(codeOf({ allowSignatureV2: true, signatureAgeMaxMs: 60_000 })).toBe('bad-request')
  expect(codeOf({})).toBe('bad-request')
})

test('forms are held to the age that signatures may have', () => {
  const nowMs = Date.parse('2026-01-01T12:00:00Z')
  const scope = { secretKey: user.secretKey, date: '20260101', region: 'us-east-1', service: 's3' }
  const form = new Map([
    ['policy', 'policy'],
    ['x-amz-algorithm', 'AWS4-HMAC-SHA256'],
    ['x-amz-credential', 'AKUSER/20260101/us-east-1/s3/aws4_request'],
    ['x-amz-date', '20260101T110000Z'],
    ['x-amz-signature', signatureOf(deriveSigningKey({ ...scope, accessKey: 'AKUSER' }), 'policy')],
  ])
  const by = (signatureAgeMaxMs: number | undefined) =>
    new Authenticator({
      ...common,
      mode: 'users',
      clock: { ...systemClock, now: () => nowMs },
      signatureAgeMaxMs,
    })
  expect(by(undefined).authenticateForm(form).identity.kind).toBe('user')
  expect(by(3_600_000).authenticateForm(form).identity.kind).toBe('user')
  expect(() => by(3_599_000).authenticateForm(form)).toThrow(denied)
})
