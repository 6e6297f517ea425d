import { describe, expect, test } from 'vitest'
import { checkPolicy, parsePolicy, sizesOf } from './post-policy.ts'

const failsAs = (code: string) => expect.objectContaining({ code })
const encode = (document: unknown): string =>
  Buffer.from(JSON.stringify(document)).toString('base64')
const EXPIRES = '2026-11-21T12:00:00.000Z'
const BEFORE = Date.parse(EXPIRES) - 1
const policyOf = (...conditions: readonly unknown[]) =>
  parsePolicy(encode({ expiration: EXPIRES, conditions: [{ bucket: 'b' }, ...conditions] }))
const check = (
  policy: ReturnType<typeof policyOf>,
  fields: Record<string, string>,
  nowMs = BEFORE,
) =>
  checkPolicy(policy, new Map(Object.entries(fields)), {
    nowMs,
    bucket: 'b',
    key: fields['key'] ?? 'k',
  })

describe('a form is held to its policy', () => {
  test('each field must be covered, each condition met', () => {
    const policy = policyOf(
      ['starts-with', '$key', 'user/'],
      ['eq', '$Content-Type', 'image/png'],
      { 'x-amz-meta-a': '1' },
    )
    const good = { key: 'user/x', 'content-type': 'image/png', 'x-amz-meta-a': '1' }
    check(policy, { ...good, bucket: 'b', policy: 'p', 'x-amz-signature': 's', 'x-ignore-me': 'i' })
    for (const bad of [
      { ...good, key: 'other/x' },
      { ...good, 'content-type': 'image/png2' },
      { ...good, 'x-amz-meta-a': '2' },
      { ...good, 'x-amz-meta-b': '1' },
      { key: 'user/x', 'x-amz-meta-a': '1' },
    ]) {
      expect(() => check(policy, bad)).toThrow(failsAs('access-denied'))
    }
  })

  test('with the name of the client’s file in its key', () => {
    const facts = { nowMs: BEFORE, bucket: 'b', key: 'user/a.txt' }
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word of the S3 API.
    const fields = new Map([['key', '${filename}']])
    checkPolicy(policyOf(['starts-with', '$key', 'user/']), fields, facts)
    checkPolicy(policyOf(['eq', '$key', 'user/a.txt']), fields, facts)
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the word of the S3 API.
    checkPolicy(policyOf(['eq', '$key', '${filename}']), fields, facts)
    expect(() => checkPolicy(policyOf(['starts-with', '$key', '$']), fields, facts)).toThrow(
      failsAs('access-denied'),
    )
  })

  test('to its expiration: good in the last millisecond, over in the next', () => {
    check(policyOf(), {}, BEFORE + 1)
    expect(() => check(policyOf(), {}, BEFORE + 2)).toThrow('Policy expired.')
  })

  test('to its bucket, which it must name: that of the request, not of a field', () => {
    const other = parsePolicy(encode({ expiration: EXPIRES, conditions: [{ bucket: 'c' }] }))
    expect(() => check(other, { bucket: 'c' })).toThrow('Policy Condition failed')
    const none = parsePolicy(encode({ expiration: EXPIRES, conditions: [] }))
    expect(() => check(none, {})).toThrow('Extra input fields: bucket')
  })

  test('each of several content types must begin as it says', () => {
    const policy = policyOf(['starts-with', '$content-type', 'text/'])
    check(policy, { 'content-type': 'text/plain, text/html' })
    expect(() => check(policy, { 'content-type': 'text/plain, image/png' })).toThrow('failed')
  })
})

test('sizes: the narrowest range holds, numbers as text too', () => {
  expect(sizesOf(policyOf())).toEqual({ minBytes: 0, maxBytes: Number.POSITIVE_INFINITY })
  const policy = policyOf(['content-length-range', 1, 100], ['content-length-range', '5', '200'])
  expect(sizesOf(policy)).toEqual({ minBytes: 5, maxBytes: 100 })
})

describe('what is no policy is refused', () => {
  test.each([
    ['', 'End-of-Input'],
    ['%%%', 'Base64'],
    [Buffer.from('garbage').toString('base64'), 'Invalid JSON.'],
    [encode([]), 'Invalid JSON.'],
    [encode({ conditions: [] }), 'missing expiration'],
    [encode({ expiration: EXPIRES }), 'missing conditions'],
    [encode({ expiration: EXPIRES, conditions: [], more: 1 }), 'Unexpected: "more"'],
    [encode({ expiration: 1, conditions: [] }), 'Invalid JSON.'],
    [encode({ expiration: 'tomorrow', conditions: [] }), "'tomorrow'"],
    [encode({ expiration: EXPIRES, conditions: {} }), 'must be a List'],
    [encode({ expiration: EXPIRES, conditions: [1] }), 'List or Object'],
    [encode({ expiration: EXPIRES, conditions: [[]] }), 'missing operation'],
    [encode({ expiration: EXPIRES, conditions: [['x', '$a', 'b']] }), "unknown operation 'x'"],
    [encode({ expiration: EXPIRES, conditions: [['eq', '$a']] }), 'wrong number'],
    [encode({ expiration: EXPIRES, conditions: [['eq', '$a', 1]] }), 'Invalid JSON.'],
    [encode({ expiration: EXPIRES, conditions: [{ a: '1', b: '2' }] }), 'exactly one property'],
    [encode({ expiration: EXPIRES, conditions: [{ a: 1 }] }), 'must be a string'],
    [
      encode({ expiration: EXPIRES, conditions: [['content-length-range', -1, 2]] }),
      'Invalid JSON.',
    ],
    [
      encode({ expiration: EXPIRES, conditions: Array(101).fill({ a: '1' }) }),
      'too many conditions',
    ],
  ])('%j', (text, why) => {
    expect(() => parsePolicy(text)).toThrow(why)
  })

  test('a condition on what is no field can never be met', () => {
    expect(() => policyOf(['eq', 'key', 'k'])).toThrow(failsAs('access-denied'))
  })
})
