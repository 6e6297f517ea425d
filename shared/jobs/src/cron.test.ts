import { expect, test } from 'vitest'
import { nextTimeMs } from './cron.ts'

const NEW_YEAR = Date.UTC(2026, 0, 1)

test('the next time is later than the one that is given', () => {
  const daily = { cron: '0 0 * * *', timeZone: 'UTC' }
  expect(nextTimeMs(daily, NEW_YEAR - 1)).toBe(NEW_YEAR)
  expect(nextTimeMs(daily, NEW_YEAR)).toBe(NEW_YEAR + 86_400_000)
})

test('six fields begin with seconds', () => {
  expect(nextTimeMs({ cron: '*/10 * * * * *', timeZone: 'UTC' }, NEW_YEAR)).toBe(NEW_YEAR + 10_000)
})

test('times are those of the time zone, also when its clocks are put forward', () => {
  const early = { cron: '30 3 * * *', timeZone: 'Europe/Berlin' }
  const before = Date.UTC(2026, 2, 28, 12)
  expect(new Date(nextTimeMs(early, before)).toISOString()).toBe('2026-03-29T01:30:00.000Z')
})

test.each([
  ['', 'UTC'],
  ['now', 'UTC'],
  ['60 * * * *', 'UTC'],
  ['* * * * * * *', 'UTC'],
  ['* * * * *', 'Mars/Olympus'],
  ['0 0 30 2 *', 'UTC'],
])('"%s" in %s is refused', (cron, timeZone) => {
  expect(() => nextTimeMs({ cron, timeZone }, NEW_YEAR)).toThrow(
    expect.objectContaining({ code: 'argument-invalid' }),
  )
})
