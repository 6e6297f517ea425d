import { isFailure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { JSON_DEPTH_MAX, parseJson } from './json.ts'

function refusal(text: string): string {
  try {
    parseJson(text)
  } catch (error) {
    if (isFailure(error, 'json-malformed')) return error.message
    throw error
  }
  return 'accepted'
}

test('nesting is taken up to its limit and refused one level deeper', () => {
  const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
  expect(refusal(nested(JSON_DEPTH_MAX))).toBe('accepted')
  expect(refusal(nested(JSON_DEPTH_MAX + 1))).toContain('nested deeper than 32')
})

test('brackets and quotes inside strings open nothing', () => {
  expect(parseJson('{"a":"[[[{{{\\"[","b":"}"}')).toEqual({ a: '[[[{{{"[', b: '}' })
})

test.each([
  '{"a":1,"a":2}',
  '{"a":1,"\\u0061":2}',
  '{"x":{"a":1,"b":[{}],"a":2}}',
  '[{"a":1,"a":1}]',
])('the repeated key of %s is refused', (text) => {
  expect(refusal(text)).toContain('occurs twice')
})

test('the same key in two objects is no repetition', () => {
  expect(parseJson('{"a":{"k":1},"b":{"k":"k"},"c":["k","k"]}')).toEqual({
    a: { k: 1 },
    b: { k: 'k' },
    c: ['k', 'k'],
  })
})

test.each(['', '{', '{"a"', '"', '"\\', '{"a":1}}', ']', '{a:1}', 'NaN', '{"a":01}'])(
  '%j is refused',
  (text) => {
    expect(refusal(text)).toContain('not valid JSON')
  },
)

test('__proto__ is a key of the result and never its prototype', () => {
  const value = parseJson('{"__proto__":{"admin":true}}')
  expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
  expect(Reflect.get({}, 'admin')).toBeUndefined()
})
