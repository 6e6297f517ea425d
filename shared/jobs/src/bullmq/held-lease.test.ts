import { PlayedClock } from '@forebay/base/testing/played-clock'
import { expect, test } from 'vitest'
import { askedNow, HeldLease } from './held-lease.ts'

const YEAR_MS = 365 * 86_400_000

function leaseOf() {
  const time = { monotonic: 1000, wall: 50_000 }
  const clock = {
    now: () => time.wall,
    monotonic: () => time.monotonic,
    sleep: () => Promise.reject(new Error('nobody sleeps here')),
  }
  const common = { jobId: 'j', token: 't', clock, leaseMs: 10_000 }
  return { time, clock, lease: new HeldLease({ ...common, asked: askedNow(clock) }) }
}

test('a lease is good for four fifths of the time that Redis gave, from before it was asked', () => {
  const { time, lease } = leaseOf()
  time.monotonic += 7999
  time.wall += 7999
  lease.check()
  time.monotonic += 1
  expect(() => lease.check()).toThrow(expect.objectContaining({ code: 'job-lease-lost' }))
  expect(lease.signal.aborted).toBe(true)
})

test('either clock may end it: one stands while the machine sleeps', () => {
  const { time, lease } = leaseOf()
  time.wall += 8000
  expect(() => lease.check()).toThrow('not confirmed in time')
})

test('a wall clock that is set back lengthens no lease, and one that is set ahead ends it', () => {
  const clock = new PlayedClock()
  const common = { jobId: 'j', token: 't', clock, leaseMs: 10_000 }
  const lease = new HeldLease({ ...common, asked: askedNow(clock) })
  clock.turn(-YEAR_MS)
  clock.jump(7999)
  lease.check()
  clock.jump(1)
  expect(() => lease.check()).toThrow('not confirmed in time')
  const next = new HeldLease({ ...common, asked: askedNow(clock) })
  clock.turn(YEAR_MS)
  expect(() => next.check()).toThrow('not confirmed in time')
  // What is taken then is held by the clock of then, and of what came after it.
  const last = new HeldLease({ ...common, asked: askedNow(clock) })
  clock.turn(-YEAR_MS)
  last.extend(askedNow(clock))
  last.check()
  last.end('it is over')
})

test('a renewal counts from when it was asked for, and brings nothing back', () => {
  const { time, clock, lease } = leaseOf()
  time.monotonic += 5000
  lease.extend(askedNow(clock))
  time.monotonic += 7000
  lease.check()
  lease.end('it is paused')
  lease.extend(askedNow(clock))
  expect(() => lease.check()).toThrow('job j: it is paused')
})
