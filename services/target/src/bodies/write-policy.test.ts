import type { Clock } from '@forebay/base/clock'
import { expect, test } from 'vitest'
import {
  DIRTY_SAMPLE_MS,
  parseVmstat,
  UNSEEN_BYTES_MAX,
  WRITE_COOL_DOWN_MS,
  WRITE_SLOW_MS,
  WritePolicy,
} from './write-policy.ts'

class HandClock implements Clock {
  ms = 1000

  now(): number {
    return this.ms
  }

  monotonic(): number {
    return this.ms
  }

  async sleep(): Promise<void> {
    await Promise.resolve()
  }
}

test('the event loop writes while dirty pages are below half of the threshold', () => {
  let dirtyBytes = 0
  const clock = new HandClock()
  const readDirtyPages = () => ({ dirtyBytes, thresholdBytes: 1000 })
  const policy = new WritePolicy({ clock, readDirtyPages })
  expect(policy.mayBlock(500)).toBe(true)
  expect(policy.mayBlock(501)).toBe(false)
  policy.note(400, 1)
  expect(policy.mayBlock(100)).toBe(true)
  expect(policy.mayBlock(101)).toBe(false)
  dirtyBytes = 450
  clock.ms += DIRTY_SAMPLE_MS - 1
  expect(policy.mayBlock(100)).toBe(true)
  clock.ms += 1
  expect(policy.mayBlock(51)).toBe(false)
  expect(policy.mayBlock(50)).toBe(true)
})

test('after a slow write the event loop keeps off for a while', () => {
  const clock = new HandClock()
  const policy = new WritePolicy({
    clock,
    readDirtyPages: () => ({ dirtyBytes: 0, thresholdBytes: 2 ** 40 }),
  })
  policy.note(1, WRITE_SLOW_MS)
  expect(policy.mayBlock(1)).toBe(true)
  policy.note(1, WRITE_SLOW_MS + 0.1)
  expect(policy.mayBlock(1)).toBe(false)
  clock.ms += WRITE_COOL_DOWN_MS - 1
  expect(policy.mayBlock(1)).toBe(false)
  clock.ms += 1
  expect(policy.mayBlock(1)).toBe(true)
})

test('where the system shows no dirty pages, what was written since the last look counts', () => {
  const policy = new WritePolicy({ clock: new HandClock(), readDirtyPages: () => undefined })
  expect(policy.mayBlock(UNSEEN_BYTES_MAX)).toBe(true)
  policy.note(UNSEEN_BYTES_MAX, 1)
  expect(policy.mayBlock(1)).toBe(false)
})

test('vmstat counts in pages, and may lack what we look for', () => {
  const text = 'nr_dirty 24\nnr_writeback 10\nnr_dirty_background_threshold 598115\n'
  expect(parseVmstat(text)).toEqual({ dirtyBytes: 34 * 4096, thresholdBytes: 598115 * 4096 })
  expect(parseVmstat('nr_dirty 24\n')).toBeUndefined()
  expect(parseVmstat('')).toBeUndefined()
})
