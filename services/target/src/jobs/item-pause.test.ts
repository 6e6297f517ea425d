import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { itemPauseMs, PAUSE_ASKED_MS_MAX, PAUSE_MS, PAUSE_MS_MAX } from './item-pause.ts'

const failed = new Failure('backend-unreachable', 'away')
const asked = (retryAfterSeconds: number) =>
  new Failure('backend-throttled', 'later', { retryAfterSeconds })

test('pauses double up to the longest, and chance makes them up to half as short', () => {
  expect([1, 2, 3].map((tries) => itemPauseMs(tries, failed, () => 1))).toEqual([250, 500, 1000])
  expect(itemPauseMs(1, failed, () => 0)).toBe(PAUSE_MS / 2)
  expect(itemPauseMs(30, failed, () => 1)).toBe(PAUSE_MS_MAX)
})

test('what the server asks for is waited for, and chance comes after it', () => {
  expect(itemPauseMs(1, asked(7), () => 0)).toBe(7000 + PAUSE_MS / 2)
  expect(itemPauseMs(1, asked(7), () => 1)).toBe(7000 + PAUSE_MS)
})

test('no server makes an item wait for longer than the limit', () => {
  expect(itemPauseMs(1, asked(60), () => 0)).toBe(PAUSE_ASKED_MS_MAX + PAUSE_MS / 2)
  expect(itemPauseMs(1, asked(999_999), () => 0)).toBe(PAUSE_ASKED_MS_MAX + PAUSE_MS / 2)
})
