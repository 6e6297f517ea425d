import { expect, test } from 'vitest'
import { formatHttpDate, formatIsoDate, parseHttpDate } from './dates.ts'

test('dates are written in whole seconds', () => {
  expect(formatIsoDate(784_111_777_999)).toBe('1994-11-06T08:49:37.000Z')
  expect(formatIsoDate(784_111_777_000)).toBe('1994-11-06T08:49:37.000Z')
  expect(formatHttpDate(784_111_777_999)).toBe('Sun, 06 Nov 1994 08:49:37 GMT')
})

test('more seconds than are remembered are still written right', () => {
  for (let second = 0; second < 10_000; second++) formatIsoDate(second * 1000)
  expect(formatIsoDate(1000)).toBe('1970-01-01T00:00:01.000Z')
})

test.each([
  'Sun, 06 Nov 1994 08:49:37 GMT',
  'Sunday, 06-Nov-94 08:49:37 GMT',
  'Sun Nov  6 08:49:37 1994',
  '1994-11-06T08:49:37Z',
  '1994-11-06T08:49:37.000Z',
])('%s is a date', (text) => {
  expect(parseHttpDate(text)).toBe(784_111_777_000)
})

test.each([
  '',
  'yesterday',
  '0',
  '784111777',
  'Sun, 06 Nov 1994 08:49:37 +0200',
  'Sun, 99 Nov 1994 99:99:99 GMT',
])('%j is none', (text) => {
  expect(parseHttpDate(text)).toBeUndefined()
})
