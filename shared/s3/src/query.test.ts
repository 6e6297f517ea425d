import { isFailure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { parseQuery, QUERY_PARAMETERS_MAX, wholeNumber } from './query.ts'

test('a query without values, with values and with empty pairs', () => {
  expect([...parseQuery('uploads&prefix=a%2Bb+c&&x==')]).toEqual([
    ['uploads', ''],
    ['prefix', 'a+b c'],
    ['x', '='],
  ])
})

test('a parameter that comes twice is refused, also when one is encoded', () => {
  expect(() => parseQuery('prefix=a&pre%66ix=b')).toThrow(
    expect.toSatisfy((error) => isFailure(error, 'argument-invalid')),
  )
})

test('the last good and the first bad number of parameters', () => {
  const pairs = Array.from({ length: QUERY_PARAMETERS_MAX }, (_, at) => `p${at}`)
  expect(parseQuery(pairs.join('&')).size).toBe(QUERY_PARAMETERS_MAX)
  expect(() => parseQuery([...pairs, 'more'].join('&'))).toThrow('more than')
})

test('__proto__ is a name like any other', () => {
  expect(parseQuery('__proto__=1').get('__proto__')).toBe('1')
  expect(parseQuery('').get('__proto__')).toBeUndefined()
})

test('whole numbers are digits and nothing else', () => {
  expect(wholeNumber(parseQuery('n=0'), 'n')).toBe(0)
  expect(wholeNumber(parseQuery('n=2147483647'), 'n')).toBe(2_147_483_647)
  expect(wholeNumber(parseQuery(''), 'n')).toBeUndefined()
  for (const bad of ['', 'abc', '-1', '+1', '1e3', '1.5', '0x10', ' 1', '2147483648']) {
    expect(() => wholeNumber(parseQuery(`n=${encodeURIComponent(bad)}`), 'n')).toThrow('integer')
  }
})
