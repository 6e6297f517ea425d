import { expect, test } from 'vitest'
import {
  byteRateText,
  bytesText,
  dateText,
  nameText,
  percentText,
  rateText,
  spanText,
  timeText,
} from './format.ts'

test('numbers carry their unit, and what is not known is a dash', () => {
  expect(bytesText(1536)).toBe('1.50 KiB')
  expect(byteRateText(3 * 1024 ** 2)).toBe('3.00 MiB/s')
  expect([0, 0.04, 12.34, 1204].map(rateText)).toEqual(['0/s', '0.04/s', '12.3/s', '1,204/s'])
  expect(percentText(0.9876)).toBe('98.8 %')
  for (const text of [bytesText, byteRateText, rateText, percentText, timeText, spanText]) {
    expect(text(undefined)).toBe('–')
  }
})

test('times are shown in the unit that people say', () => {
  expect([0.0004, 0.0123, 3.14, Number.NaN].map(timeText)).toEqual([
    '0.4 ms',
    '12 ms',
    '3.1 s',
    '–',
  ])
  expect([0, 59.9, 60, 3605, 90_000, 86_400].map(spanText)).toEqual([
    '0 s',
    '59 s',
    '1 min',
    '1 h',
    '1 d 1 h',
    '1 d',
  ])
})

test('a name shows what would be hidden in it or turn it around', () => {
  expect(nameText('a\nb')).toBe('a\\u{a}b')
  expect(nameText('x\u202egpj.exe')).toBe('x\\u{202e}gpj.exe')
  expect(nameText('\u200b\u{1b}[2J')).toBe('\\u{200b}\\u{1b}[2J')
  expect(nameText('<script>é日本\u0301')).toBe('<script>é日本\u0301')
})

test('a time is told to the second, and nothing where there is none', () => {
  expect(dateText('2026-11-21T14:05:00.123Z')).toBe('2026-11-21 14:05:00 UTC')
  expect(dateText('2026-11-21T14:05:00Z')).toBe('2026-11-21 14:05:00 UTC')
  expect(dateText(undefined)).toBeUndefined()
})
