import { systemClock } from '@forebay/base/clock'
import type { BucketRecord } from '@forebay/model/bucket'
import { expect, test } from 'vitest'
import { QuotaHold, Quotas } from './quotas.ts'

const QUOTA = 100
const BUCKET: BucketRecord = {
  id: 7,
  ref: { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'b' },
  aliases: [],
  createdMs: 0,
  backend: { provider: 'memory', bucket: 'b' },
  properties: { quotaBytes: QUOTA, quotaMarks: { lowPercent: 50, highPercent: 80 } },
}

/** Quotas over bytes that the test sets, and an eviction that frees so many a round. */
function setup(freedPerRound = 0) {
  const state = { usedBytes: 0, rounds: 0, asked: [] as number[] }
  const quotas = new Quotas({
    bucketOf: (id) => (id === BUCKET.id ? BUCKET : undefined),
    usedBytes: () => state.usedBytes,
    monotonic: () => systemClock.monotonic(),
    sleep: (ms) => systemClock.sleep(ms),
  })
  quotas.evictWith(async (id) => {
    state.rounds += 1
    state.asked.push(quotas.excessBytes(id))
    await Promise.resolve()
    const freed = Math.min(freedPerRound, state.usedBytes)
    state.usedBytes -= freed
    return freed > 0
  })
  return { quotas, state }
}

test('the last byte of a quota is granted, and the next one is not', async () => {
  const { quotas } = setup()
  await quotas.reserve(7, QUOTA - 1)
  expect([quotas.take(7, 2), quotas.take(7, 1), quotas.take(7, 1), quotas.take(7, 0)]).toEqual([
    false,
    true,
    false,
    true,
  ])
  quotas.release(7, 1)
  expect(quotas.take(7, 1)).toBe(true)
  expect(quotas.roomOf(7)).toEqual({ usedBytes: 0, reservedBytes: 100, highestBytes: 100 })
})

test('what is refused says which quota, how much is taken, and what to do', async () => {
  const { quotas, state } = setup()
  state.usedBytes = 40
  await expect(quotas.reserve(7, 61)).rejects.toMatchObject({
    code: 'out-of-space',
    message: 'aws://b has no room for 61 bytes: its quota is 100, 40 bytes are taken',
    hint: expect.stringMatching(/raise its quota/),
  })
  expect(state.rounds).toBe(1)
  // What is larger than the whole quota makes nothing go.
  await expect(quotas.reserve(7, 101)).rejects.toMatchObject({ code: 'out-of-space' })
  expect(state.rounds).toBe(1)
})

test('objects make way from the high mark on, down to the low one and for the largest that waits', async () => {
  const { quotas, state } = setup(70)
  state.usedBytes = 80
  expect([quotas.excessBytes(7), quotas.hasRoom(7, 0), quotas.hasRoom(7, 1)]).toEqual([
    0,
    true,
    false,
  ])
  expect(quotas.take(7, 1)).toBe(true)
  expect(state.asked).toEqual([31])
  await Promise.resolve()
  state.usedBytes = 95
  await quotas.reserve(7, 60)
  // 95 used, 1 reserved and 60 waiting are 106 above the low mark.
  expect(state.asked.slice(1, 2)).toEqual([106])
  expect(state.usedBytes + quotas.roomOf(7).reservedBytes).toBeLessThanOrEqual(QUOTA)
})

test('64 reservations at once never pass the quota, and those who fit get theirs', async () => {
  const { quotas, state } = setup(5)
  state.usedBytes = 95
  const asked = await Promise.allSettled(Array.from({ length: 64 }, () => quotas.reserve(7, 3)))
  const granted = asked.filter(({ status }) => status === 'fulfilled').length
  expect(granted).toBe(33)
  expect(quotas.roomOf(7)).toMatchObject({ reservedBytes: 99, usedBytes: 0 })
  expect(quotas.roomOf(7).highestBytes).toBeLessThanOrEqual(QUOTA)
})

test('a bucket without a quota, or that is gone, is counted and never refused', async () => {
  const { quotas } = setup()
  await quotas.reserve(9, 2 ** 50)
  expect(quotas.roomOf(9).reservedBytes).toBe(2 ** 50)
  quotas.release(9, 2 ** 50)
  expect(quotas.roomOf(9).reservedBytes).toBe(0)
})

test('a hold asks for what is missing, and gives all back when it ends, also what is granted later', async () => {
  const { quotas } = setup()
  const hold = new QuotaHold(quotas, 7, false)
  await Promise.all([hold.upTo(10), hold.upTo(30), hold.upTo(20)])
  expect(quotas.roomOf(7).reservedBytes).toBe(30)
  hold.only(12)
  expect(quotas.roomOf(7).reservedBytes).toBe(12)
  const late = hold.upTo(50)
  hold.release()
  await late
  expect(quotas.roomOf(7).reservedBytes).toBe(0)
})

test('a hold that may pass goes on without room, and says so', async () => {
  const { quotas, state } = setup()
  state.usedBytes = 90
  const hold = new QuotaHold(quotas, 7, true)
  await hold.upTo(5)
  expect(hold.isWithin).toBe(true)
  await hold.upTo(50)
  expect([hold.isWithin, quotas.roomOf(7).reservedBytes]).toEqual([false, 0])
  const strict = new QuotaHold(quotas, 7, false)
  await expect(strict.upTo(50)).rejects.toMatchObject({ code: 'out-of-space' })
})
