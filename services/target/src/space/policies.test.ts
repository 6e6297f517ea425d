import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { describe, expect, test } from 'vitest'
import { printOf } from './bucket-policies.ts'
import { createPolicy } from './create-policy.ts'
import { EpochPolicy } from './epoch.ts'
import type { EvictionPolicy } from './eviction-policy.ts'
import { LruPolicy } from './lru.ts'
import { S3FifoPolicy } from './s3-fifo.ts'
import { ShardedPolicy } from './sharded-policy.ts'
import { SievePolicy } from './sieve.ts'

const UNIT = 4096
const prints = (from: number, to: number): readonly number[] =>
  Array.from({ length: to - from }, (_, at) => printOf(`key-${from + at}`))

/** A clock that goes on by a second a look. */
const ticking = (): (() => number) => {
  let second = 1_000_000
  return () => (second += 1)
}

/** Chooses `count` victims and removes them. */
function evict(policy: EvictionPolicy, known: readonly number[], count: number): readonly number[] {
  const gone: number[] = []
  for (let left = count; left > 0; left--) {
    if (policy.choose() === 0) break
    for (const print of known) {
      if (!policy.isChosen(print)) continue
      gone.push(print)
      policy.removed(print, true)
    }
  }
  return gone
}

describe.each(POLICY_KINDS)('%s', (kind) => {
  test('every object is chosen once, and nothing is left then', () => {
    const policy = createPolicy(kind, ticking())
    const all = prints(0, 500)
    for (const print of all) policy.stored(print, 3 * UNIT)
    for (const print of all.slice(0, 100)) policy.touched(print)
    expect(policy.objectCount).toBe(500)
    for (let at = 0; at < 500; at++) expect(policy.choose()).toBe(3 * UNIT)
    expect([policy.choose(), policy.idleSince()]).toEqual([0, undefined])
    expect(all.filter((print) => policy.isChosen(print))).toEqual(all)
    for (const print of all) policy.removed(print, true)
    expect([policy.objectCount, policy.choose()]).toEqual([0, 0])
  })

  test('an object that is read or written again is no longer chosen, and can be chosen again', () => {
    const policy = createPolicy(kind, ticking())
    const all = prints(0, 50)
    for (const print of all) policy.stored(print, UNIT)
    while (policy.choose() > 0);
    const [first = 0, second = 0] = all
    policy.touched(first)
    policy.stored(second, 2 * UNIT)
    expect(all.filter((print) => !policy.isChosen(print))).toEqual([first, second])
    expect([policy.choose() + policy.choose(), policy.choose()]).toEqual([3 * UNIT, 0])
  })

  test('what is chosen and was not found is forgotten, the rest is not', () => {
    const policy = createPolicy(kind, ticking())
    const all = prints(0, 50)
    for (const print of all) policy.stored(print, UNIT)
    for (let at = 0; at < 20; at++) policy.choose()
    policy.forgetChosen()
    expect([policy.objectCount, all.filter((print) => policy.has(print)).length]).toEqual([30, 30])
    for (let at = 0; at < 30; at++) expect(policy.choose()).toBe(UNIT)
    expect(policy.choose()).toBe(0)
  })

  test('one that was saved and loaded chooses as before', () => {
    const policy = createPolicy(kind, ticking())
    const all = prints(0, 300)
    for (const print of all) policy.stored(print, UNIT)
    for (const print of all) if (print % 3 === 0) policy.touched(print)
    // `epoch` collects those used last, a share at a time: what came since is not among them.
    if (kind !== 'epoch') evict(policy, all, 40)
    for (const print of prints(300, 340)) policy.stored(print, UNIT)
    const copy = createPolicy(kind, ticking())
    copy.load(policy.save())
    expect(copy.objectCount).toBe(policy.objectCount)
    const everything = prints(0, 340)
    expect(evict(copy, everything, 200)).toEqual(evict(policy, everything, 200))
  })

  test.each(POLICY_KINDS)('takes over what %s knew', (other) => {
    const before = createPolicy(other, ticking())
    const all = prints(0, 100)
    for (const print of all) before.stored(print, UNIT)
    for (const print of all.slice(0, 30)) before.touched(print)
    const policy = createPolicy(kind, ticking())
    policy.load(before.save())
    expect(all.every((print) => policy.has(print))).toBe(true)
    for (let at = 0; at < 100; at++) expect(policy.choose()).toBe(UNIT)
  })

  test('a policy that grew beyond a shard keeps every object, and saves and loads them all', () => {
    const single = {
      lru: LruPolicy,
      's3-fifo': S3FifoPolicy,
      sieve: SievePolicy,
      epoch: EpochPolicy,
    }
    const create = () => new single[kind](ticking())
    const policy = new ShardedPolicy(create, 64)
    const all = prints(0, 3000)
    for (const print of all) policy.stored(print, UNIT)
    expect(policy.objectCount).toBe(3000)
    const copy = new ShardedPolicy(create, 64)
    copy.load(policy.save())
    for (const each of [policy, copy]) {
      let chosen = 0
      while (each.choose() > 0) chosen += 1
      expect([chosen, all.every((print) => each.isChosen(print))]).toEqual([3000, true])
      for (const print of all) each.removed(print, true)
      expect(each.objectCount).toBe(0)
    }
  })

  test('an object takes at most 24 bytes, from a thousand objects on', () => {
    const policy = createPolicy(kind, ticking())
    const all = prints(0, 30_000)
    let next = 0
    for (const print of all) {
      policy.stored(print, UNIT)
      next += 1
      if (next % 500 === 0 && next > 5000) {
        for (let at = 0; at < 100; at++) policy.choose()
        for (const each of all.slice(0, next)) if (policy.isChosen(each)) policy.removed(each, true)
      }
      if (policy.objectCount > 2000) {
        expect(policy.memoryBytes / policy.objectCount).toBeLessThan(24)
      }
    }
  })
})

test('lru gives up what was not used for the longest time', () => {
  const lru = new LruPolicy(ticking())
  const all = prints(0, 6)
  for (const print of all) lru.stored(print, UNIT)
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0] = all
  lru.touched(a)
  lru.touched(d)
  expect(evict(lru, all, 6)).toEqual([b, c, e, f, a, d])
})

test('of what lru saw in one second the older goes first', () => {
  const lru = new LruPolicy(() => 7)
  const all = prints(0, 100)
  for (const print of all) lru.stored(print, UNIT)
  expect(evict(lru, all, 100)).toEqual(all)
})

test('sieve spares who was read since the hand came by, once', () => {
  const sieve = new SievePolicy(ticking())
  const all = prints(0, 5)
  for (const print of all) sieve.stored(print, UNIT)
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = all
  sieve.touched(a)
  sieve.touched(c)
  expect(evict(sieve, all, 2)).toEqual([b, d])
  // The hand goes on where it stood: who came last is not taken before the rest had its turn.
  const f = printOf('new')
  sieve.stored(f, UNIT)
  expect(evict(sieve, [...all, f], 4)).toEqual([e, f, a, c])
})

test('s3-fifo lets a scan pass through and keeps what was read twice', () => {
  const policy = new S3FifoPolicy(ticking())
  const hot = prints(0, 90)
  for (const print of hot) policy.stored(print, UNIT)
  for (const print of hot) policy.touched(print)
  const scan = prints(1000, 2000)
  for (const print of scan) {
    policy.stored(print, UNIT)
    if (policy.objectCount > 100) evict(policy, [...hot, ...scan], 1)
  }
  expect(hot.every((print) => policy.has(print))).toBe(true)
  expect(scan.filter((print) => policy.has(print))).toEqual(scan.slice(-10))
})

test('s3-fifo takes what comes back soon after it fell out straight into the main queue', () => {
  const policy = new S3FifoPolicy(ticking())
  const all = prints(0, 200)
  for (const print of all) policy.stored(print, UNIT)
  const gone = evict(policy, all, 20)
  const [back = 0] = gone
  policy.stored(back, UNIT)
  expect(evict(policy, all, 100)).not.toContain(back)
})

/** Reads a data set in rounds, as a training loop does. @returns the keys that were in each round's cache */
function train(policy: EvictionPolicy, set: readonly number[], room: number): number {
  let hits = 0
  for (const print of set) {
    if (policy.has(print)) {
      policy.touched(print)
      hits += 1
      continue
    }
    policy.missed(print)
    if (policy.objectCount < room) policy.stored(print, UNIT)
    else if (policy.replaces()) {
      evict(policy, set.length < 5000 ? everything : set, 1)
      policy.stored(print, UNIT)
    }
  }
  return hits
}
const everything = prints(0, 4000)

test('epoch keeps the part that it has, round after round', () => {
  const policy = new EpochPolicy(ticking())
  const set = everything.slice(0, 2000)
  expect(train(policy, set, 500)).toBe(0)
  const kept = set.filter((print) => policy.has(print))
  for (let round = 0; round < 4; round++) expect(train(policy, set, 500)).toBe(500)
  expect(set.filter((print) => policy.has(print))).toEqual(kept)
  expect(policy.replaces()).toBe(false)
})

test('epoch lets go of a data set that is not read any more', () => {
  const policy = new EpochPolicy(ticking())
  const first = everything.slice(0, 2000)
  const second = everything.slice(2000)
  for (let round = 0; round < 3; round++) train(policy, first, 500)
  let hits = 0
  for (let round = 0; round < 6; round++) hits = train(policy, second, 500)
  expect(hits).toBe(500)
  expect(first.filter((print) => policy.has(print))).toEqual([])
})

test('epoch forgets nothing over a pause', () => {
  let second = 1_000_000
  const policy = new EpochPolicy(() => second++)
  const set = everything.slice(0, 2000)
  for (let round = 0; round < 3; round++) train(policy, set, 500)
  second += 100_000_000
  expect(policy.replaces()).toBe(false)
  expect(train(policy, set, 500)).toBe(500)
})

test('epoch gives up what was used last when room must be made', () => {
  const policy = new EpochPolicy(ticking())
  const set = prints(0, 10)
  for (const print of set) policy.stored(print, UNIT)
  expect(evict(policy, set, 3)).toEqual([set[9], set[8], set[7]])
})
