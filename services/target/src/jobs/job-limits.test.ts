import { systemClock } from '@forebay/base/clock'
import { PlayedClock, settle } from '@forebay/base/testing/played-clock'
import { beforeEach, expect, test } from 'vitest'
import { JobLimiter } from './job-limits.ts'

const never = new AbortController().signal

let clock: PlayedClock
let limiter: JobLimiter
beforeEach(() => {
  clock = new PlayedClock()
  limiter = new JobLimiter(clock)
})

test('a job without bounds never waits', async () => {
  const gate = limiter.join('a', {})
  for (let item = 0; item < 1000; item++) await gate.enter(1_000_000, never)
})

test('as many items as allowed run at once, over all pages of the job, and others are not concerned', async () => {
  const pages = [limiter.join('a', { concurrency: 2 }), limiter.join('a', { concurrency: 2 })]
  const ends: (() => void)[] = []
  let begun = 0
  for (const page of [...pages, ...pages]) {
    void page.enter(0, never).then((end) => {
      begun += 1
      ends.push(() => end(0))
    })
  }
  await settle()
  expect(begun).toBe(2)
  const other = await limiter.join('b', { concurrency: 2 }).enter(0, never)
  other(0)
  ends.shift()?.()
  await settle()
  expect(begun).toBe(3)
})

test('items begin at the rate that is allowed', async () => {
  const gate = limiter.join('a', { itemsPerSecond: 10 })
  let begun = 0
  const run = async (): Promise<void> => {
    for (;;) {
      const end = await gate.enter(0, never)
      begun += 1
      end(0)
      if (begun === 100) return
    }
  }
  const running = run()
  await clock.advance(5000)
  expect(begun).toBeGreaterThanOrEqual(50)
  expect(begun).toBeLessThanOrEqual(52)
  await clock.advance(10_000)
  await running
})

test('bytes that nobody expected are paid for afterwards, by the next page too', async () => {
  const limits = { bytesPerSecond: 1000 }
  const first = limiter.join('a', limits)
  const end = await first.enter(0, never)
  end(5000)
  first.leave()
  let begun = false
  void limiter
    .join('a', limits)
    .enter(0, never)
    .then(() => {
      begun = true
    })
  await clock.advance(4500)
  expect(begun).toBe(false)
  await clock.advance(500)
  expect(begun).toBe(true)
})

test('who stops waiting gives its place back', async () => {
  const gate = limiter.join('a', { concurrency: 1, bytesPerSecond: 10 })
  const end = await gate.enter(1000, never)
  end(1000)
  const stop = new AbortController()
  const waiting = gate.enter(10, stop.signal)
  await settle()
  const reason = new Error('stopped')
  stop.abort(reason)
  await expect(waiting).rejects.toBe(reason)
  const next = gate.enter(10, never)
  await clock.advance(200_000)
  await next
})

test('a wait of years is one, not a moment', async () => {
  const gate = new JobLimiter(systemClock).join('a', { bytesPerSecond: 1 })
  await gate.enter(10_000_000_000, never)
  const stop = new AbortController()
  let begun = false
  const next = gate.enter(1, stop.signal).then(() => {
    begun = true
  })
  // A timer that overflows fires after a millisecond.
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(begun).toBe(false)
  stop.abort(new Error('stopped'))
  await expect(next).rejects.toThrow('stopped')
})
