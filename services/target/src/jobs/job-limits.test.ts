import { systemClock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { PlayedClock, settle } from '@forebay/base/testing/played-clock'
import { OwnRates, type Rates } from '@forebay/jobs/rates'
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

test('who stops waiting does not wait for the one before it', async () => {
  const gate = limiter.join('a', { bytesPerSecond: 10 })
  await gate.enter(1_000_000, never)
  const leaving = new AbortController()
  const before = gate.enter(10, leaving.signal)
  const stop = new AbortController()
  const waiting = gate.enter(10, stop.signal)
  await settle()
  stop.abort(new Error('stopped'))
  await expect(waiting).rejects.toThrow('stopped')
  leaving.abort(new Error('left'))
  await expect(before).rejects.toThrow('left')
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

/** Begins items until it is told to stop. @returns how many were begun so far */
function beginAll(gate: ReturnType<JobLimiter['join']>, itemBytes = 0): () => number {
  let begun = 0
  const run = async (): Promise<void> => {
    for (;;) {
      const end = await gate.enter(0, never)
      begun += 1
      if (itemBytes > 0) await gate.flow(itemBytes, never)
      end(0)
    }
  }
  void run()
  return () => begun
}

test('two nodes that share the rates of a job keep within them together', async () => {
  const rates = new OwnRates(clock)
  const limits = { itemsPerSecond: 50 }
  const nodes = [new JobLimiter(clock, rates), new JobLimiter(clock, rates)]
  const counts = nodes.map((node) => beginAll(node.join('a', limits)))
  await clock.advance(4000)
  const [first = 0, second = 0] = counts.map((count) => count())
  expect(first + second).toBeGreaterThanOrEqual(190)
  // What both took for a tenth of a second in advance, and what was saved up.
  expect(first + second).toBeLessThanOrEqual(200 + 15)
  expect(Math.min(first, second)).toBeGreaterThan(50)
})

test('bytes that are told while they come are held to the rate, within one item', async () => {
  const gate = limiter.join('a', { bytesPerSecond: 1000 })
  const end = await gate.enter(0, never)
  let bytes = 0
  const item = (async () => {
    for (; bytes < 5000; bytes += 100) await gate.flow(100, never)
    end(0)
  })()
  await clock.advance(2000)
  expect(bytes).toBeGreaterThanOrEqual(1900)
  expect(bytes).toBeLessThanOrEqual(2300)
  await clock.advance(3500)
  await item
})

test('bytes that were expected and did not come hold nobody back', async () => {
  const gate = limiter.join('a', { bytesPerSecond: 1000 })
  const end = await gate.enter(1_000_000, never)
  let begun = false
  void gate.enter(10, never).then(() => {
    begun = true
  })
  await clock.advance(3000)
  expect(begun).toBe(false)
  end(0)
  await settle()
  await clock.advance(20)
  expect(begun).toBe(true)
})

test('while the shared rates cannot be reached nothing begins, and what was used is paid later', async () => {
  const own = new OwnRates(clock)
  let isAway = true
  const unavailable = (): Promise<never> =>
    Promise.reject(new Failure('job-engine-unavailable', 'away'))
  const rates: Rates = {
    take: (rate, amount) => (isAway ? unavailable() : own.take(rate, amount)),
    correct: unavailable,
  }
  const gate = new JobLimiter(clock, rates).join('a', { bytesPerSecond: 1000 })
  let begun = 0
  const enter = async (): Promise<void> => {
    const end = await gate.enter(0, never)
    begun += 1
    end(2000)
  }
  void enter().then(enter).then(enter)
  await clock.advance(5000)
  expect(begun).toBe(0)
  isAway = false
  await clock.advance(300)
  expect(begun).toBe(1)
  await clock.advance(1500)
  expect(begun).toBe(1)
  await clock.advance(400)
  expect(begun).toBe(2)
})
