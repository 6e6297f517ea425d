import { expect, test } from 'vitest'
import { deriveSigningKey, signatureOf } from './signing-key.ts'
import { verifyForm } from './verify-form.ts'

const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY'
const DATE = '20151229'
const OPTIONS = {
  region: 'us-east-1',
  secretOf: (key: string) => (key === 'AKIAIOSFODNN7EXAMPLE' ? SECRET : undefined),
}
const failsAs = (code: string) => expect.objectContaining({ code })

function form(change: Record<string, string | undefined> = {}): Map<string, string> {
  const policy = 'eyJleHBpcmF0aW9uIjoiMjAxNS0xMi0zMCJ9'
  const scope = {
    accessKey: 'a',
    secretKey: SECRET,
    date: DATE,
    region: 'us-east-1',
    service: 's3',
  }
  const fields = {
    policy,
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `AKIAIOSFODNN7EXAMPLE/${DATE}/us-east-1/s3/aws4_request`,
    'x-amz-date': `${DATE}T000000Z`,
    'x-amz-signature': signatureOf(deriveSigningKey(scope), policy),
    ...change,
  }
  return new Map(
    Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

test('the signature over the policy tells who signed', () => {
  expect(verifyForm(form(), OPTIONS)).toBe('AKIAIOSFODNN7EXAMPLE')
  expect(verifyForm(new Map([['key', 'k']]), OPTIONS)).toBeUndefined()
})

test('another policy, secret or signature does not match', () => {
  const mismatch = failsAs('signature-mismatch')
  expect(() => verifyForm(form({ policy: 'other' }), OPTIONS)).toThrow(mismatch)
  expect(() => verifyForm(form({ 'x-amz-signature': '0'.repeat(64) }), OPTIONS)).toThrow(mismatch)
  expect(() => verifyForm(form({ 'x-amz-signature': '' }), OPTIONS)).toThrow(mismatch)
  expect(() => verifyForm(form(), { ...OPTIONS, secretOf: () => 'other' })).toThrow(mismatch)
  expect(() => verifyForm(form(), { ...OPTIONS, secretOf: () => undefined })).toThrow(
    failsAs('access-key-unknown'),
  )
})

test.each(['policy', 'x-amz-algorithm', 'x-amz-credential', 'x-amz-date', 'x-amz-signature'])(
  'a form that is signed in part is refused: without %s',
  (name) => {
    expect(() => verifyForm(form({ [name]: undefined }), OPTIONS)).toThrow(`field named '${name}'`)
  },
)

test.each([
  ['x-amz-algorithm', 'AWS4-HMAC-SHA1'],
  ['x-amz-date', '2015-12-29'],
  ['x-amz-date', '20151230T000000Z'],
  ['x-amz-credential', 'nonsense'],
  ['x-amz-credential', `AKIAIOSFODNN7EXAMPLE/${DATE}/eu-west-1/s3/aws4_request`],
  ['x-amz-credential', `AKIAIOSFODNN7EXAMPLE/${DATE}/us-east-1/sqs/aws4_request`],
  ['x-amz-credential', `AKIAIOSFODNN7EXAMPLE/${DATE}/us-east-1/s3/aws4`],
  ['x-amz-credential', 'AKIAIOSFODNN7EXAMPLE/today/us-east-1/s3/aws4_request'],
])('%s: %s is refused', (name, value) => {
  expect(() => verifyForm(form({ [name]: value }), OPTIONS)).toThrow(failsAs('argument-invalid'))
})

test('a form can be held to an age, however long its policy lasts', () => {
  const signedMs = Date.parse('2015-12-29T00:00:00Z')
  const at = (ageMs: number) => ({ ...OPTIONS, age: { nowMs: signedMs + ageMs, maxMs: 60_000 } })
  expect(verifyForm(form(), at(60_000))).toBe('AKIAIOSFODNN7EXAMPLE')
  expect(() => verifyForm(form(), at(60_001))).toThrow(failsAs('access-denied'))
  expect(verifyForm(form(), at(-15 * 60_000))).toBe('AKIAIOSFODNN7EXAMPLE')
  expect(() => verifyForm(form(), at(-15 * 60_000 - 1))).toThrow(failsAs('request-time-skewed'))
  // Of a form that nobody signed nothing is told but that.
  expect(() => verifyForm(form({ policy: 'other' }), at(60_001))).toThrow(
    failsAs('signature-mismatch'),
  )
})

test('a session token is not taken', () => {
  expect(() => verifyForm(form({ 'x-amz-security-token': 't' }), OPTIONS)).toThrow(
    failsAs('token-invalid'),
  )
})
