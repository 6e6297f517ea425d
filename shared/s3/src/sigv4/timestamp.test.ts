import { expect, test } from 'vitest'
import { formatTimestamp, parseDateHeader, parseTimestamp } from './timestamp.ts'

const ms = Date.UTC(2026, 0, 31, 23, 59, 59)

test('the basic form is read and written', () => {
  expect(parseTimestamp('20260131T235959Z')).toEqual({ text: '20260131T235959Z', ms })
  expect(formatTimestamp(ms + 999)).toBe('20260131T235959Z')
  expect(formatTimestamp(ms + 1000)).toBe('20260201T000000Z')
})

test.each([
  '',
  '20260131',
  '20260131T235959',
  '20260131T235959Z ',
  '2026-01-31T23:59:59Z',
  '20260230T000000Z',
  '20261301T000000Z',
  '20260131T240000Z',
  '20260131T236000Z',
  '20260131T235960Z',
  '20260131t235959z',
])('%j is no time', (text) => {
  expect(parseTimestamp(text)).toBeUndefined()
})

test('a Date header is read in the form of HTTP and in the basic form', () => {
  const timestamp = { text: '20260131T235959Z', ms }
  expect(parseDateHeader('Sat, 31 Jan 2026 23:59:59 GMT')).toEqual(timestamp)
  expect(parseDateHeader('Sat, 31 Jan 2026 23:59:59 -0000')).toEqual(timestamp)
  expect(parseDateHeader('Sun, 31 Jan 2026 23:59:59 GMT')).toEqual(timestamp)
  expect(parseDateHeader('20260131T235959Z')).toEqual(timestamp)
})

test.each([
  'Mon, 30 Feb 2026 23:59:59 GMT',
  '2026-01-31',
  '0',
  'Sat, 31 Jan 2026 23:59:59 UTC',
  'Sat, 31 Jan 2026 23:59:59 +0100',
  'Wed, 31 Dec 1969 23:59:59 GMT',
  '',
])('the Date header %j is no time', (text) => {
  expect(parseDateHeader(text)).toBeUndefined()
})
