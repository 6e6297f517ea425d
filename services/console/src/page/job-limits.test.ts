import { expect, test } from 'vitest'
import { limitFacts } from './job-limits.ts'

const counters = { done: 1, skipped: 0, failed: 2, bytes: 10 }

test('bounds are told in words, with what is reached of a rate while the job runs', () => {
  const limits = {
    bytesPerSecond: 10 * 1024 ** 2,
    itemsPerSecond: 50,
    concurrency: 4,
    failuresMax: 9,
  }
  const rate = { itemsPerSecond: 12.5, bytesPerSecond: 5 * 1024 ** 2 }
  expect(limitFacts({ limits, rate, counters })).toEqual([
    ['Bytes a second', 'at most 10.0 MiB/s, 5.00 MiB/s now'],
    ['Objects a second', 'at most 50.0/s, 12.5/s now'],
    ['At once on a node', 'at most 4'],
    ['Failures', '2 of 9 at most'],
  ])
})

test('a job that does not run reaches nothing, and an unknown bound is shown as it is', () => {
  const limits = { itemsPerSecond: 100, other: 'x' }
  expect(limitFacts({ limits, rate: undefined, counters })).toEqual([
    ['Objects a second', 'at most 100/s'],
    ['other', 'x'],
  ])
})
