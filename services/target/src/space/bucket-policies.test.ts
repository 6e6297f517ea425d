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
  pinned: readonly string[] = []
  there: readonly number[] | undefined
  policies: BucketPolicies

  constructor(kinds: Kinds) {
    this.kinds = kinds
    this.policies = this.create()
  }

  create(): BucketPolicies {
    return new BucketPolicies({
      kindOf: (bucketId) => this.kinds[bucketId],
      nowSeconds: () => this.second,
      isPinned: (_, key) => this.pinned.includes(key),
      isThere: (bucketId) => this.there?.includes(bucketId) ?? true,
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

const savedOf = async (policies: BucketPolicies): Promise<Buffer> =>
  Buffer.concat(await Array.fromAsync(policies.save()))

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

test('what is saved comes back after a restart, and bytes that are no good are ignored', async () => {
  const setup = new Setup({ 1: 's3-fifo', 2: 'epoch' })
  setup.store(1, ['a', 'b'])
  setup.store(2, ['c'])
  const saved = await savedOf(setup.policies)
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

test('many shards are saved one at a time, and come back as one policy', async () => {
  const setup = new Setup({ 1: 'lru' })
  const keys = Array.from({ length: 40_000 }, (_, at) => `k${at}`)
  setup.store(1, keys)
  const pieces = await Array.fromAsync(setup.policies.save())
  expect(pieces.length).toBeGreaterThan(3)
  const copy = setup.create()
  copy.load(Buffer.concat(pieces))
  expect(copy.objectCount(1)).toBe(40_000)
  expect(keys.filter((key) => copy.isUnknown(place(1, key)))).toEqual([])
})

test('what belongs to no bucket any more is not saved, unless no bucket is known', async () => {
  const setup = new Setup({ 1: 'lru', 2: 'lru' })
  setup.store(1, ['a'])
  setup.store(2, ['b'])
  setup.there = [2]
  const copy = setup.create()
  copy.load(await savedOf(setup.policies))
  expect([copy.objectCount(1), copy.objectCount(2)]).toEqual([0, 1])
  setup.there = []
  const whole = setup.create()
  whole.load(await savedOf(setup.policies))
  expect([whole.objectCount(1), whole.objectCount(2)]).toEqual([1, 1])
})

test('of what is pinned no policy hears, and what was pinned later is no victim any more', () => {
  const setup = new Setup({ 1: 'lru' })
  setup.pinned = ['p']
  setup.store(1, ['p', 'a', 'b'])
  expect(setup.policies.objectCount(1)).toBe(2)
  expect(setup.policies.isUnknown(place(1, 'p'))).toBe(false)
  setup.policies.choose({}, 2 * UNIT)
  setup.pinned = ['p', 'a']
  expect(setup.chosen(1, ['a', 'b'])).toEqual(['b'])
  setup.pinned = []
  expect([setup.chosen(1, ['a']), setup.policies.isUnknown(place(1, 'a'))]).toEqual([[], true])
})

test('a choice in one bucket leaves the others alone', () => {
  const setup = new Setup({ 1: 'lru', 2: 'lru' })
  setup.store(1, ['old'])
  setup.store(2, ['new', 'newer'])
  expect(setup.policies.choose({ bucketId: 2 }, UNIT)).toBe(UNIT)
  expect([setup.chosen(1, ['old']), setup.chosen(2, ['new', 'newer'])]).toEqual([[], ['new']])
  expect(setup.policies.forgetChosen({ bucketId: 1 })).toBe(0)
  expect(setup.policies.forgetChosen({ bucketId: 2 })).toBe(1)
})

test('a quota without room is not helped by what another bucket could give up', () => {
  const setup = new Setup({ 1: 'epoch', 2: 'lru' })
  setup.store(2, ['cold'])
  setup.store(1, ['a'])
  const absent = place(1, 'b')
  expect(setup.policies.admits(absent, { onDisk: false, inQuota: true })).toBe(true)
  expect(setup.policies.admits(absent, { onDisk: true, inQuota: false })).toBe(false)
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
