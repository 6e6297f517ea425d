import type { Clock } from '@forebay/base/clock'
import type { JobRecord } from '@forebay/jobs/job'
import { expect, test } from 'vitest'
import { JobRates } from './job-rates.ts'
import { viewJob } from './job-view.ts'

class PlayedClock implements Clock {
  ms = 1_000_000
  now(): number {
    return this.ms
  }
  monotonic(): number {
    return this.ms
  }
  sleep(): Promise<void> {
    return Promise.reject(new Error('nobody sleeps here'))
  }
}

const job = (done: number, changes: Partial<JobRecord> = {}): JobRecord => ({
  id: 'J',
  kind: 'prefetch',
  args: {},
  priority: 'normal',
  limits: {},
  state: 'running',
  createdMs: 1_000_000,
  startedMs: 1_000_000,
  attempt: 1,
  listing: { items: 1000, bytes: 0, pages: 1, complete: true },
  counters: { done, skipped: 0, failed: 0, bytes: done * 100 },
  ...changes,
})

test('a rate is that of the last ten seconds, whatever was before', () => {
  const clock = new PlayedClock()
  const rates = new JobRates(clock)
  for (let at = 0; at <= 30; at++) {
    rates.note(job(at * 10))
    clock.ms += 1000
  }
  for (let at = 1; at <= 20; at++) {
    rates.note(job(300 + at * 2))
    clock.ms += 1000
  }
  expect(rates.of(job(342))).toEqual({ itemsPerSecond: 2, bytesPerSecond: 200 })
})

test('a job that nobody looked at yet is measured from its start', () => {
  const clock = new PlayedClock()
  clock.ms += 20_000
  expect(new JobRates(clock).of(job(100))).toEqual({ itemsPerSecond: 5, bytesPerSecond: 500 })
})

test('a job that just began, is paused or has ended has no rate', () => {
  const clock = new PlayedClock()
  const rates = new JobRates(clock)
  rates.note(job(0))
  clock.ms += 499
  expect(rates.of(job(10))).toBeUndefined()
  clock.ms += 1
  expect(rates.of(job(10))).toBeDefined()
  expect(rates.of(job(10, { state: 'paused' }))).toBeUndefined()
  expect(rates.of(job(10, { state: 'finished' }))).toBeUndefined()
})

test('a pause does not make the rate after it slower', () => {
  const clock = new PlayedClock()
  const rates = new JobRates(clock)
  rates.note(job(0))
  clock.ms += 1000
  rates.note(job(10, { state: 'paused' }))
  clock.ms += 3_600_000
  rates.note(job(10))
  clock.ms += 1000
  expect(rates.of(job(20))).toEqual({ itemsPerSecond: 10, bytesPerSecond: 1000 })
})

test('a job that stands still comes to a rate of nothing, and without an estimate', () => {
  const clock = new PlayedClock()
  const rates = new JobRates(clock)
  rates.note(job(10))
  for (let at = 0; at < 20; at++) {
    clock.ms += 1000
    rates.note(job(10))
  }
  const rate = rates.of(job(10))
  expect(rate).toEqual({ itemsPerSecond: 0, bytesPerSecond: 0 })
  expect(viewJob(job(10), rate).remainingSeconds).toBeNull()
})

test('what remains is told once everything is listed', () => {
  const rate = { itemsPerSecond: 30, bytesPerSecond: 1 }
  expect(viewJob(job(100), rate).remainingSeconds).toBe(30)
  const listing = { items: 1000, bytes: 0, pages: 1, complete: false }
  expect(viewJob(job(100, { listing }), rate).remainingSeconds).toBeNull()
  expect(viewJob(job(100), undefined).remainingSeconds).toBeNull()
})

test('while no item ends what remains is told by the bytes that were listed', () => {
  const rate = { itemsPerSecond: 0, bytesPerSecond: 100 }
  const counters = { done: 0, skipped: 0, failed: 0, bytes: 400 }
  const listing = { items: 1, bytes: 1000, pages: 1, complete: true }
  expect(viewJob(job(0, { listing, counters }), rate).remainingSeconds).toBe(6)
  const untold = { ...listing, bytes: 0 }
  expect(viewJob(job(0, { listing: untold, counters }), rate).remainingSeconds).toBeNull()
})
