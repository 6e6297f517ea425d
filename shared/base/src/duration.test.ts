import fc from 'fast-check'
import { expect, test } from 'vitest'
import { DURATION_MAX_MS, formatDuration, parseDuration } from './duration.ts'

test.each([
  ['0', 0],
  ['0s', 0],
  ['250ms', 250],
  ['30s', 30_000],
  ['5m', 300_000],
  ['1h30m', 5_400_000],
  ['1.5s', 1500],
  ['2d', 172_800_000],
  ['1d2h3m4s5ms', 93_784_005],
  [' 5m ', 300_000],
  ['36525d', DURATION_MAX_MS],
])('the duration %j has %d ms', (text, ms) => {
  expect(parseDuration(text)).toBe(ms)
})

test.each([
  ['', /is empty/],
  ['  ', /is empty/],
  ['5', /has no unit/],
  ['1.5', /has no unit/],
  ['-1h', /is negative/],
  ['1h -5m', /not a duration/],
  ['NaN', /not a duration/],
  ['1e400s', /not a duration/],
  ['5 m', /not a duration/],
  ['5M', /not a duration/],
  ['5min', /not a duration/],
  ['30m1h', /falling order/],
  ['1h1h', /falling order/],
  ['0.5ms', /whole number of milliseconds/],
  ['36526d', /longer than 100 years/],
])('the duration %j is refused, saying why', (text, why) => {
  expect(() => parseDuration(text)).toThrow(why)
})

test('what is formatted is read back as the same time', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: DURATION_MAX_MS }),
      (ms) => parseDuration(formatDuration(ms)) === ms,
    ),
  )
})

test.each([
  [0, '0s'],
  [90_000, '1m30s'],
  [5_400_000, '1h30m'],
  [1, '1ms'],
])('%d ms are written as %s', (ms, text) => {
  expect(formatDuration(ms)).toBe(text)
})
