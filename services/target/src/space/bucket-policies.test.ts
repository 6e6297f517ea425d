import type { PolicyKind } from '@forebay/model/bucket-properties'
import { expect, test } from 'vitest'
import { BucketPolicies, CHOSEN_PER_CALL_MAX, printOf } from './bucket-policies.ts'

const UNIT = 4096
const MOUNTPATH = 1

const FREE = { onDisk: true, inQuota: true }
const FULL = { onDisk: false, inQuota: true }

type Kinds = Readonly<Record<number, PolicyKind | undefined>>

/** Policies with a clock that the test moves. */
class Setup {
  second = 1000
  kinds: Kinds
  policies: BucketPolicies

  constructor(kinds: Kinds) {
    this.kinds = kinds
    this.policies = this.create()
  }

  create(): BucketPolicies {
    return new BucketPolicies({
      kindOf: (bucketId) => this.kinds[bucketId],
      nowSeconds: () => this.second,
    })
  }

  /** Stores objects, each in a second of its own. */
  store(bucketId: number, keys: readonly string[]): void {
    for (const key of keys) {
      this.second += 1
      this.policies.stored(place(bucketId, key), UNIT)
    }
  }

  chosen(bucketId: number, keys: readonly string[]): readonly string[] {
    return keys.filter((key) => this.policies.isChosen(place(bucketId, key)))
  }
}

const place = (bucketId: number, key: string) => ({ mountpath: MOUNTPATH, bucketId, key })

test('buckets of lru are one lru together', () => {
  const setup = new Setup({ 1: 'lru', 2: 'lru' })
  setup.store(1, ['a'])
  setup.store(2, ['b', 'c'])
  setup.store(1, ['d', 'e'])
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, 3 * UNIT)).toBe(3 * UNIT)
  expect([setup.chosen(1, ['a', 'd', 'e']), setup.chosen(2, ['b', 'c'])]).toEqual([
    ['a'],
    ['b', 'c'],
  ])
})

test('one call chooses a bounded number, and the next ones the rest', () => {
  const setup = new Setup({ 1: 'lru' })
  const keys = Array.from({ length: CHOSEN_PER_CALL_MAX + 5 }, (_, at) => `k${at}`)
  setup.store(1, keys)
  const everything = Number.MAX_SAFE_INTEGER
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, everything)).toBe(
    CHOSEN_PER_CALL_MAX * UNIT,
  )
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, everything)).toBe(5 * UNIT)
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, everything)).toBe(0)
})

test('a bucket that is not evictable has no policy, and one that no longer is gives up nothing', () => {
  const setup = new Setup({ 1: undefined, 2: 'sieve' })
  setup.store(1, ['a'])
  setup.store(2, ['b'])
  expect(setup.policies.isUnknown(place(1, 'a'))).toBe(false)
  setup.kinds = {}
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, UNIT)).toBe(0)
})

test('another policy of a bucket takes over what the one before knew', () => {
  const setup = new Setup({ 1: 'lru' })
  setup.store(1, ['a', 'b', 'c'])
  setup.kinds = { 1: 'epoch' }
  expect(setup.policies.isUnknown(place(1, 'a'))).toBe(false)
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, UNIT)).toBe(UNIT)
  expect(setup.chosen(1, ['a', 'b', 'c'])).toEqual(['c'])
})

test('an object without bytes on disk is never chosen', () => {
  const setup = new Setup({ 1: 'lru' })
  setup.policies.stored(place(1, 'empty'), 0)
  setup.store(1, ['a'])
  setup.policies.stored(place(1, 'a'), 0)
  expect(setup.policies.choose({ mountpath: MOUNTPATH }, 1)).toBe(0)
})

test('a policy that admits only into free room is overruled where another bucket is colder', () => {
  const setup = new Setup({ 1: 'epoch', 2: 'lru', 3: 'lru' })
  setup.store(1, ['a'])
  const absent = place(1, 'b')
  expect([setup.policies.admits(absent, FREE), setup.policies.admits(absent, FULL)]).toEqual([
    true,
    false,
  ])
  setup.store(2, ['newer'])
  expect(setup.policies.admits(absent, FULL)).toBe(false)
  expect(setup.policies.admits(place(2, 'any'), FULL)).toBe(true)
  setup.policies.touched(place(1, 'a'))
  expect(setup.policies.admits(absent, FULL)).toBe(false)
  setup.second += 10
  setup.policies.touched(place(1, 'a'))
  expect(setup.policies.admits(absent, FULL)).toBe(true)
})

test('a new version of an object that is there is admitted: it takes the room of the old one', () => {
  const setup = new Setup({ 1: 'epoch' })
  setup.store(1, ['a'])
  expect(setup.policies.admits(place(1, 'a'), FULL)).toBe(true)
})

test('only buckets with victims, or with objects that are not known, are worth a sweep', () => {
  const setup = new Setup({ 1: 'lru', 2: 'lru', 3: undefined })
  setup.store(1, ['a'])
  setup.store(2, ['b'])
  setup.policies.choose({ mountpath: MOUNTPATH }, UNIT)
  const worth = (id: number, objects: number) =>
    setup.policies.isWorthSweep({ mountpath: MOUNTPATH }, id, objects)
  expect([worth(1, 1), worth(2, 1), worth(2, 2), worth(3, 9)]).toEqual([true, false, true, false])
  setup.policies.forgetChosen({ mountpath: MOUNTPATH })
  expect([worth(1, 0), setup.policies.isUnknown(place(1, 'a'))]).toEqual([false, true])
})

test('what is saved comes back after a restart, and bytes that are no good are ignored', () => {
  const setup = new Setup({ 1: 's3-fifo', 2: 'epoch' })
  setup.store(1, ['a', 'b'])
  setup.store(2, ['c'])
  const saved = setup.policies.save()
  const copy = setup.create()
  copy.load(saved)
  expect([copy.objectCount(1), copy.objectCount(2)]).toEqual([2, 1])
  expect([copy.isUnknown(place(1, 'a')), copy.isUnknown(place(1, 'z'))]).toEqual([false, true])
  for (let length = 0; length < saved.length; length++) {
    setup.create().load(saved.subarray(0, length))
  }
  copy.load(Uint8Array.of(1, 2, 3))
  expect(copy.objectCount(1)).toBe(2)
})

test('a bucket that is dropped is forgotten', () => {
  const setup = new Setup({ 1: 'lru' })
  setup.store(1, ['a'])
  setup.policies.dropBucket(1)
  expect([
    setup.policies.objectCount(1),
    setup.policies.choose({ mountpath: MOUNTPATH }, 1),
  ]).toEqual([0, 0])
})

test('prints of keys that differ in one place are spread over all 32 bits', () => {
  const prints = Array.from({ length: 4096 }, (_, at) => printOf(`shard-${at}.tar`))
  expect(new Set(prints).size).toBe(4096)
  for (let bit = 0; bit < 32; bit++) {
    const ones = prints.filter((print) => (print >>> bit) & 1).length
    expect(Math.abs(ones - 2048)).toBeLessThan(300)
  }
})
