import { expect, test } from 'vitest'
import { redactSecrets, registerSecret } from './secrets.ts'

test('a registered secret is taken out of any text, as it is, in JSON and in a URL', () => {
  registerSecret('p"ss/w+rd&1')
  const texts = [
    'key p"ss/w+rd&1 end',
    JSON.stringify({ k: 'p"ss/w+rd&1' }),
    `?k=${encodeURIComponent('p"ss/w+rd&1')}`,
  ]
  for (const text of texts) {
    expect(redactSecrets(text)).toContain('(secret)')
    expect(redactSecrets(text)).not.toMatch(/ss(\/|%2F)w/)
  }
  expect(redactSecrets('key p"ss/w+rd&1 end')).toBe('key (secret) end')
})

test('a secret that begins with another one goes as a whole', () => {
  registerSecret('abcdef-1')
  registerSecret('abcdef-1-long')
  expect(redactSecrets('<abcdef-1-long> <abcdef-1>')).toBe('<(secret)> <(secret)>')
})

test('a value of 5 characters is not searched for, one of 6 is', () => {
  registerSecret('hello')
  registerSecret('hallo!')
  expect(redactSecrets('hello hallo!')).toBe('hello (secret)')
})

test.each([
  [
    'GET /b/k?X-Amz-Signature=0a1b2c&X-Amz-Date=20260101T000000Z',
    'GET /b/k?X-Amz-Signature=(secret)&X-Amz-Date=20260101T000000Z',
  ],
  ['x-amz-security-token=AbC/+=%2F end', 'x-amz-security-token=(secret) end'],
  ['{"url":"/b?Signature=a%2Bb&Expires=1"}', '{"url":"/b?Signature=(secret)&Expires=1"}'],
  ['no rediss+sentinel://ada:p%40ss@h:1/m', 'no rediss+sentinel://ada:(secret)@h:1/m'],
  ['{"a":"Bearer eyJhbGciOi.eyJzdWI.c2ln"}', '{"a":"Bearer (secret)"}'],
  ['authorization: Basic dXNlcjpwYXNz', 'authorization: Basic (secret)'],
  [
    '{"h":"AWS4-HMAC-SHA256 Credential=AK/d/r/s3/aws4_request, SignedHeaders=host, Signature=ab12"}',
    '{"h":"AWS4-HMAC-SHA256 (secret)"}',
  ],
])('what is secret by its place is taken out: %s', (text, clean) => {
  expect(redactSecrets(text)).toBe(clean)
})

test('ordinary text stays as it is', () => {
  const text = '{"bucket":"data","key":"a/Signature/b=c","msg":"the Basic facts","sizeBytes":1}'
  expect(redactSecrets(text)).toBe(text)
})
