import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { claimsSignatureV2, verifyPolicyV2, verifySignatureV2 } from './verify.ts'

/** Keys and requests of the Amazon S3 user guide, "Signing and authenticating REST requests". */
const ACCESS_KEY = 'AKIAIOSFODNN7EXAMPLE'
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const MARCH_27 = 'Tue, 27 Mar 2007 19:36:42 +0000'

const options = (nowMs: number, hostBucket?: string) => ({
  secretOf: (key: string) => (key === ACCESS_KEY ? SECRET : undefined),
  nowMs,
  hostBucket,
})
const at = (time: string) => Date.parse(time)
const failsAs = (code: string) => expect.objectContaining({ code })

function get(target: string, rawHeaders: readonly string[]) {
  return { method: 'GET', target, rawHeaders: ['Host', 'h', ...rawHeaders] }
}

const PHOTO = get('/photos/puppy.jpg', [
  'Date',
  MARCH_27,
  'Authorization',
  `AWS ${ACCESS_KEY}:qgk2+6Sv9/oM7G3qLEjTH1a1l1g=`,
])

/** A URL that a client presigned, by the text that the guide has it sign. */
function presigned(
  text: { readonly method?: string; readonly amazon?: string; readonly resource: string },
  expires = 2_000_000_000,
): string {
  const toSign = `${text.method ?? 'GET'}\n\n\n${expires}\n${text.amazon ?? ''}${text.resource}`
  const signature = createHmac('sha1', SECRET).update(toSign).digest('base64')
  const mark = text.resource.includes('?') ? '&' : '?'
  return `${text.resource}${mark}AWSAccessKeyId=${ACCESS_KEY}&Signature=${encodeURIComponent(signature)}&Expires=${expires}`
}

test('the guide’s GET of an object, virtual-host style, is signed by its key', () => {
  expect(verifySignatureV2(PHOTO, options(at(MARCH_27), 'awsexamplebucket1'))).toBe(ACCESS_KEY)
  expect(() => verifySignatureV2(PHOTO, options(at(MARCH_27), 'other'))).toThrow(
    failsAs('signature-mismatch'),
  )
})

test('the guide’s upload with metadata of several values is signed by its key', () => {
  const upload = {
    method: 'PUT',
    target: '/db-backup.dat.gz',
    rawHeaders: [
      ...['User-Agent', 'curl/7.15.5', 'Host', 'static.example.com:8080'],
      ...['Date', 'Tue, 27 Mar 2007 21:06:08 +0000', 'x-amz-acl', 'public-read'],
      ...['content-type', 'application/x-download', 'Content-MD5', '4gJE4saaMU4BqNR0kLY+lw=='],
      ...['X-Amz-Meta-ReviewedBy', 'joe@example.com', 'X-Amz-Meta-ReviewedBy', 'jane@example.com'],
      ...['X-Amz-Meta-FileChecksum', '0x02661779', 'X-Amz-Meta-ChecksumAlgorithm', 'crc32'],
      ...['Authorization', `AWS ${ACCESS_KEY}:jtBQa0Aq+DkULFI8qrpwIjGEx0E=`],
    ],
  }
  const now = options(at('Tue, 27 Mar 2007 21:06:08 +0000'), 'static.example.com')
  expect(verifySignatureV2(upload, now)).toBe(ACCESS_KEY)
  const changed = { ...upload, rawHeaders: [...upload.rawHeaders, 'x-amz-meta-more', 'x'] }
  expect(() => verifySignatureV2(changed, now)).toThrow(failsAs('signature-mismatch'))
})

test('a presigned URL holds until its time, and for its own method, object and words alone', () => {
  const target = presigned({ resource: '/b/k?response-content-type=text/plain' })
  const early = options(1_999_999_999_000)
  expect(verifySignatureV2(get(target, []), early)).toBe(ACCESS_KEY)
  expect(() => verifySignatureV2(get(target, []), options(2_000_000_001_000))).toThrow(
    failsAs('request-expired'),
  )
  const mismatch = failsAs('signature-mismatch')
  expect(() => verifySignatureV2({ ...get(target, []), method: 'PUT' }, early)).toThrow(mismatch)
  expect(() => verifySignatureV2(get(target.replace('/k', '/l'), []), early)).toThrow(mismatch)
  expect(() => verifySignatureV2(get(target.replace('plain', 'html'), []), early)).toThrow(mismatch)
})

test.each(['acl', 'tagging', 'attributes', 'ownershipControls', 'versionId=1', 'anything=else'])(
  'a URL for an object is none for ?%s of it',
  (added) => {
    const target = `${presigned({ resource: '/b/k' })}&${added}`
    expect(() => verifySignatureV2(get(target, []), options(0))).toThrow(
      failsAs('signature-mismatch'),
    )
  },
)

test('a header that stands in the query must be sent, because only there it is signed', () => {
  const target = `${presigned({ resource: '/b/k' })}&x-amz-copy-source=%2Fsecret%2Fk`
  expect(() => verifySignatureV2(get(target, []), options(0))).toThrow(failsAs('access-denied'))
  const signed = `${presigned({ amazon: 'x-amz-meta-a:b\n', resource: '/b/k' })}&x-amz-meta-a=b`
  expect(verifySignatureV2(get(signed, ['x-amz-meta-a', 'b']), options(0))).toBe(ACCESS_KEY)
})

test('a bucket is signed with a slash behind its name or without', () => {
  const bare = presigned({ resource: '/b' })
  const slashed = presigned({ resource: '/b/' }).replace('/b/', '/b')
  expect(verifySignatureV2(get(bare, []), options(0))).toBe(ACCESS_KEY)
  expect(verifySignatureV2(get(slashed, []), options(0))).toBe(ACCESS_KEY)
})

test('the path of the endpoint, /s3, is signed or left out', () => {
  const target = presigned({ resource: '/b/k' })
  expect(verifySignatureV2(get(`/s3${target}`, []), options(0))).toBe(ACCESS_KEY)
  expect(verifySignatureV2(get(presigned({ resource: '/s3/b/k' }), []), options(0))).toBe(
    ACCESS_KEY,
  )
  // In the other style it is the beginning of a key.
  expect(() => verifySignatureV2(get('/s3/k', []), options(0, 'b'))).toThrow(
    failsAs('access-denied'),
  )
  const hosted = presigned({ resource: '/b/k' }).replace('/b/', '/s3/')
  expect(() => verifySignatureV2(get(hosted, []), options(0, 'b'))).toThrow(
    failsAs('signature-mismatch'),
  )
})

test('an encoded plus and a space are told apart', () => {
  const target = presigned({ resource: '/b/k?versionId=a+b' }).replace('a+b', 'a%2Bb')
  expect(verifySignatureV2(get(target, []), options(0))).toBe(ACCESS_KEY)
  expect(() => verifySignatureV2(get(target.replace('%2B', '+'), []), options(0))).toThrow(
    failsAs('signature-mismatch'),
  )
})

test.each([
  ['the secret is another', 'signature-mismatch', { ...options(0), secretOf: () => 'other' }],
  ['nobody has the key', 'access-key-unknown', { ...options(0), secretOf: () => undefined }],
])('a URL is refused when %s', (_, code, wanted) => {
  const target = presigned({ resource: '/b/k' })
  expect(() => verifySignatureV2(get(target, []), wanted)).toThrow(failsAs(code))
})

test.each([
  ['AWS HAHAHA', 'argument-invalid'],
  [`AWS ${ACCESS_KEY}:`, 'argument-invalid'],
  [`AWS ${ACCESS_KEY}:AAAA`, 'signature-mismatch'],
])('the header %s is refused', (authorization, code) => {
  const request = get('/b/k', ['Date', MARCH_27, 'Authorization', authorization])
  expect(() => verifySignatureV2(request, options(at(MARCH_27)))).toThrow(failsAs(code))
})

test.each([
  ['no date', [], 'access-denied'],
  ['a date that is none', ['Date', 'Bad Date'], 'access-denied'],
  ['a date before 1970', ['Date', 'Tue, 07 Jul 1950 21:53:04 GMT'], 'access-denied'],
  ['a date of yesterday', ['Date', 'Mon, 26 Mar 2007 19:36:42 GMT'], 'request-time-skewed'],
] as const)('a signed request with %s is refused', (_, date, code) => {
  const request = get('/b/k', [...date, 'Authorization', `AWS ${ACCESS_KEY}:AAAA`])
  expect(() => verifySignatureV2(request, options(at(MARCH_27)))).toThrow(failsAs(code))
})

test('two signatures, half of one, and a session token are refused', () => {
  const target = presigned({ resource: '/b/k' })
  const refused = (request: ReturnType<typeof get>, code: string) =>
    expect(() => verifySignatureV2(request, options(0))).toThrow(failsAs(code))
  refused(get(target, ['Authorization', 'AWS a:b']), 'bad-request')
  refused(get(`${target}&X-Amz-Signature=0`, []), 'bad-request')
  refused(get(target.replace(/&Expires.*/, ''), []), 'access-denied')
  refused(get(`${target}&Expires=9999999999`, []), 'access-denied')
  refused(get(target, ['x-amz-security-token', 't']), 'token-invalid')
})

test('a request without any part of version 2 claims none', () => {
  expect(claimsSignatureV2('AWS a:b', '/b/k')).toBe(true)
  expect(claimsSignatureV2(undefined, '/b/k?Signature=x')).toBe(true)
  expect(claimsSignatureV2('AWS4-HMAC-SHA256 x', '/b/k?X-Amz-Signature=x')).toBe(false)
  expect(claimsSignatureV2(undefined, '/b/Signature=x')).toBe(false)
})

test('the policy of a form is signed by its key', () => {
  const signature = createHmac('sha1', SECRET).update('policy').digest('base64')
  const form = { accessKey: ACCESS_KEY, policy: 'policy', signature }
  const { secretOf } = options(0)
  expect(verifyPolicyV2(form, secretOf)).toBe(ACCESS_KEY)
  expect(() => verifyPolicyV2({ ...form, policy: 'other' }, secretOf)).toThrow(
    failsAs('signature-mismatch'),
  )
  expect(() => verifyPolicyV2({ ...form, accessKey: 'other' }, secretOf)).toThrow(
    failsAs('access-key-unknown'),
  )
})

test('a key whose name looks like parameters of version 2 claims nothing', () => {
  expect(claimsSignatureV2('AWS4-HMAC-SHA256 x', '/b/k&Signature=x')).toBe(false)
  expect(claimsSignatureV2(undefined, '/b/AWSAccessKeyId=&Signature=x?prefix=y')).toBe(false)
  expect(claimsSignatureV2(undefined, '/b/k&Signature=x?a=b&Signature=y')).toBe(true)
})

test('metadata that ends in a letter of two bytes is signed with both', () => {
  // "à" is C3 A0, and A0 alone is a space in Latin-1.
  const value = Buffer.from('voilà').toString('latin1')
  const toSign = `GET\n\n\n${MARCH_27}\nx-amz-meta-word:voilà\n/b/k`
  const signature = createHmac('sha1', SECRET).update(toSign, 'utf8').digest('base64')
  const request = get('/b/k', [
    ...['Date', MARCH_27, 'x-amz-meta-word', ` ${value}\t`],
    ...['Authorization', `AWS ${ACCESS_KEY}:${signature}`],
  ])
  expect(verifySignatureV2(request, options(at(MARCH_27)))).toBe(ACCESS_KEY)
})
