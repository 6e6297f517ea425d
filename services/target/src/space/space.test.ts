import { isFailure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { expect, test, vi } from 'vitest'
import type { LocalObjectStore } from '../store/local-store.ts'
import { read } from '../store/testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  temporaryDirectory,
  writeBlock,
} from '../store/testing/store-fixture.ts'

const UNIT = 4096
const MARKS = { low: 0.5, high: 0.8, full: 1 }
/** Room for ten objects of one unit. */
const small = { capacityBytes: 10 * UNIT, watermarks: MARKS }

const fill = async (
  store: LocalObjectStore,
  bucket: BucketRecord,
  keys: readonly string[],
): Promise<void> => {
  for (const key of keys) await put(store, { bucket, key, text: 'x'.repeat(UNIT) }, LAZY)
}

test('what would not fit is refused before it is written, and fits when room is made', async () => {
  const { store } = await openTestStore([temporaryDirectory()], small)
  const keys = Array.from({ length: 10 }, (_, at) => `k${at}`)
  await fill(store, NATIVE, keys)
  expect(store.totals()).toMatchObject({ usedBytes: 10 * UNIT, capacityBytes: 10 * UNIT })
  const refused = store.createWork(NATIVE, 'more', 1)
  await expect(refused).rejects.toSatisfy((error) => isFailure(error, 'out-of-space'))
  // An empty object needs no room.
  await put(store, { bucket: NATIVE, key: 'empty', text: '' })
  await store.remove(7, 'k0', { ...LAZY, why: 'delete' })
  await fill(store, NATIVE, ['more'])
  expect(read(store, 7, 'more')).toHaveLength(UNIT)
  await store.close()
})

test('reservations never pass the limit, however many ask at once', async () => {
  const { store } = await openTestStore([temporaryDirectory()], small)
  const asked = await Promise.allSettled(
    Array.from({ length: 50 }, (_, at) => store.createWork(NATIVE, `k${at}`, UNIT)),
  )
  const granted = asked.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
  expect(granted.length).toBe(10)
  expect(store.totals().reservedBytes).toBe(10 * UNIT)
  for (const work of granted) work.discard()
  expect(store.totals().reservedBytes).toBe(0)
  await store.close()
})

test('a work file that grows beyond what was reserved asks in steps, and gives all back', async () => {
  const { store } = await openTestStore([temporaryDirectory()], { capacityBytes: 2 ** 30 })
  const work = await store.createWork(NATIVE, 'k', 0)
  await work.reserve(1)
  expect(store.totals().reservedBytes).toBe(16 * 2 ** 20)
  await work.reserve(16 * 2 ** 20)
  expect(store.totals().reservedBytes).toBe(16 * 2 ** 20)
  await work.reserve(16 * 2 ** 20 + 1)
  expect(store.totals().reservedBytes).toBe(32 * 2 ** 20)
  await expect(work.reserve(2 ** 31)).rejects.toThrow(/no room/)
  expect(store.totals().reservedBytes).toBe(32 * 2 ** 20)
  work.unlink()
  expect(store.totals().reservedBytes).toBe(0)
  work.discard()
  await store.close()
})

test('above the high mark the least recently used go until the low mark, native objects never', async () => {
  let nowMs = 1_000_000
  const { systemClock } = await import('@forebay/base/clock')
  const clock = { ...systemClock, now: () => nowMs }
  const { store, events } = await openTestStore([temporaryDirectory()], { ...small, clock })
  await fill(store, NATIVE, ['n0', 'n1'])
  for (const key of ['c0', 'c1', 'c2', 'c3', 'c4', 'c5']) {
    nowMs += 1000
    await fill(store, CACHED, [key])
  }
  nowMs += 1000
  const first = store.get(8, 'c0')
  if (first !== undefined) store.touch(first)
  await fill(store, CACHED, ['c6'])
  await expect
    .poll(() => events.filter(({ event }) => event === 'evicted').length)
    .toBeGreaterThan(0)
  await expect.poll(() => store.totals().usedBytes).toBeLessThanOrEqual(5 * UNIT)
  expect([read(store, 7, 'n0'), read(store, 7, 'n1')]).not.toContain(undefined)
  expect(store.get(8, 'c1')).toBeUndefined()
  expect(store.get(8, 'c0')).toBeDefined()
  await store.close()
})

test('a partial object that is being filled and an unsettled key are not evicted', async () => {
  const { store } = await openTestStore([temporaryDirectory()], small)
  const filling = await writeBlock(store, await putPartial(store, 'filling', 3 * UNIT), {
    at: 0,
    fill: 1,
  })
  const work = store.openPartial(filling)
  await fill(store, CACHED, ['unsettled'])
  await store.markUnsettled(8, 'unsettled')
  const refused = store.createWork(CACHED, 'large', 9 * UNIT)
  await expect(refused).rejects.toSatisfy((error) => isFailure(error, 'out-of-space'))
  expect(store.get(8, 'filling')).toBeDefined()
  expect(store.get(8, 'unsettled')).toBeDefined()
  work?.discard()
  await (await store.createWork(CACHED, 'large', 9 * UNIT)).discard()
  expect(store.get(8, 'filling')).toBeUndefined()
  await store.close()
})

test('who waits for room while holding the lock of the victim is told to come back', async () => {
  const { store, locks } = await openTestStore([temporaryDirectory()], small)
  await fill(store, CACHED, ['k'])
  const release = await locks.acquire('8/k')
  const waiting = store.createWork(CACHED, 'large', 10 * UNIT)
  await expect(waiting).rejects.toSatisfy((error) => isFailure(error, 'slow-down'))
  release()
  await store.close()
})

test('objects that no policy knows, as after a crash, are taken note of and can go', async () => {
  const { store } = await openTestStore([temporaryDirectory()], small)
  await fill(store, CACHED, ['c0', 'c1', 'c2', 'c3', 'c4', 'c5', 'c6'])
  store.context.policies.dropBucket(CACHED.id)
  expect(store.context.policies.objectCount(CACHED.id)).toBe(0)
  const work = await store.createWork(CACHED, 'large', 8 * UNIT)
  work.discard()
  expect(store.totals().usedBytes).toBeLessThanOrEqual(2 * UNIT)
  await store.close()
})

test('more unknown objects than one sweep takes note of are evicted all the same', async () => {
  const count = 4600
  const room = {
    capacityBytes: (count + 100) * UNIT,
    watermarks: { low: 0.9, high: 0.99, full: 1 },
  }
  const { store } = await openTestStore([temporaryDirectory()], room)
  for (let at = 0; at < count; at += 100) {
    await Promise.all(
      Array.from({ length: 100 }, (_, next) => fill(store, CACHED, [`k${at + next}`])),
    )
  }
  store.context.policies.dropBucket(CACHED.id)
  // On a slow machine the sweep outlasts the wait for room; then one is told to come again.
  const work = await vi.waitFor(() => store.createWork(CACHED, 'large', 300 * UNIT), 20_000)
  work.discard()
  expect(store.totals().usedBytes).toBeLessThanOrEqual((count - 200) * UNIT)
  await store.close()
})
