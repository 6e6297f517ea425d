import { afterEach, beforeEach, expect, test } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { BLOB_DOWNLOAD_WORK } from './blob-download.ts'
import { LRU_WORK } from './lru.ts'
import { PREFETCH_WORK } from './prefetch.ts'
import { SCRUB_WORK } from './scrub.ts'
import { WARM_UP_METADATA_WORK } from './warm-up-metadata.ts'

const UNIT = 4096

let rig: JobRig
beforeEach(async () => {
  rig = await JobRig.open({ capacityBytes: 100 * UNIT })
})
afterEach(() => rig.close())

/** A bucket with a store behind it and so many objects of one unit in the cache. */
async function cached(name: string, count: number) {
  const bucket = await rig.stored(name)
  for (let at = 0; at < count; at++) rig.remote.put(name, `k${at}`, 'x'.repeat(UNIT))
  await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, {}))
  return bucket
}

const usedUnits = () => rig.context.own.store.totals().usedBytes / UNIT

test('lru evicts down to the share it is told, and a second time nothing', async () => {
  await cached('remote', 20)
  expect(usedUnits()).toBe(20)
  const job = rig.job('lru', undefined, { toPercent: 5 })
  const [item = { key: '' }] = await rig.list(LRU_WORK, job)
  expect(await rig.apply(LRU_WORK, job, item)).toEqual({ kind: 'done', bytes: 15 * UNIT })
  expect(usedUnits()).toBe(5)
  expect(await rig.apply(LRU_WORK, job, item)).toMatchObject({ kind: 'skipped' })
})

test('lru without a share goes by the low watermark', async () => {
  await cached('remote', 88)
  const job = rig.job('lru', undefined, {})
  expect(Object.values(await rig.run(LRU_WORK, job))).toEqual(['done'])
  expect(usedUnits()).toBe(85)
})

test('lru of a bucket leaves other buckets and native objects alone', async () => {
  const first = await cached('first', 4)
  const second = await cached('second', 4)
  const native = await rig.native('own')
  await rig.put(native, 'n', 'x')
  const { index } = rig.context.own.store.context
  await rig.run(LRU_WORK, rig.job('lru', second, { toPercent: 0 }))
  expect(index.bucketTally(second.id).objects).toBe(0)
  expect(index.bucketTally(first.id).objects).toBe(4)
  await rig.run(LRU_WORK, rig.job('lru', undefined, { toPercent: 0 }))
  expect(index.bucketTally(first.id).objects).toBe(0)
  expect(await rig.contents(native)).toEqual({ n: 'x' })
})

test('lru without a lease evicts nothing', async () => {
  await cached('remote', 4)
  const job = rig.job('lru', undefined, { toPercent: 0 })
  const [item = { key: '' }] = await rig.list(LRU_WORK, job)
  const lease = new HeldLease()
  const reason = new Error('lost')
  lease.lose(reason)
  await expect(LRU_WORK.apply(rig.context, { job, item, lease })).rejects.toBe(reason)
  expect(usedUnits()).toBe(4)
})

test('a warm-up reads the records of what is here, and asks no store', async () => {
  const bucket = await cached('remote', 3)
  rig.remote.put('remote', 'not-here', 'x')
  rig.remote.resetCounts()
  const job = rig.job('warm-up-metadata', bucket, { prefix: 'k' })
  expect(await rig.run(WARM_UP_METADATA_WORK, job)).toEqual({ k0: 'done', k1: 'done', k2: 'done' })
  const absent = await rig.apply(WARM_UP_METADATA_WORK, job, { key: 'not-here' })
  expect(absent).toEqual({ kind: 'skipped', why: 'absent' })
  expect(rig.remote.requestCount()).toBe(0)
})

test('a scrub reads everything once, and tells what it came to', async () => {
  const bucket = await cached('remote', 3)
  await cached('other', 2)
  await rig.context.own.store.context.index.settled()
  const all = rig.job('scrub', undefined, {})
  expect(await rig.apply(SCRUB_WORK, all, { key: 'pass' })).toEqual({
    kind: 'done',
    bytes: 5 * UNIT,
  })
  const lease = new HeldLease()
  const result = await SCRUB_WORK.end?.(rig.context, { job: all, lease })
  expect(result).toMatchObject({ objects: 5, bytes: 5 * UNIT, damaged: 0, findingsKept: 0 })
  const part = rig.job('scrub', bucket, { prefix: 'k0' })
  expect(await rig.apply(SCRUB_WORK, part, { key: 'pass' })).toEqual({ kind: 'done', bytes: UNIT })
})

test('a scrub whose lease ends is held, and goes on where it was', async () => {
  await cached('remote', 4)
  await rig.context.own.store.context.index.settled()
  const { scrub } = rig.context.own
  // A unit a second: the first object is read at once.
  const job = rig.job('scrub', undefined, { bytesPerSecond: UNIT })
  const lease = new HeldLease()
  const running = SCRUB_WORK.apply(rig.context, { job, item: { key: 'pass' }, lease })
  while ((scrub.status().pass?.objects ?? 0) === 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  const reason = new Error('paused')
  lease.lose(reason)
  await expect(running).rejects.toThrow()
  const held = scrub.status()
  expect(held.state).toBe('idle')
  const fast = rig.job('scrub', undefined, { bytesPerSecond: 0 })
  expect(await rig.apply(SCRUB_WORK, fast, { key: 'pass' })).toMatchObject({ bytes: 4 * UNIT })
  expect(scrub.status().pass).toMatchObject({ objects: 4, state: 'finished' })
})

test('a scrub that was given up is not gone on with by a later job', async () => {
  await cached('remote', 4)
  await rig.context.own.store.context.index.settled()
  const { scrub } = rig.context.own
  const lease = new HeldLease()
  const job = rig.job('scrub', undefined, { bytesPerSecond: UNIT })
  const running = SCRUB_WORK.apply(rig.context, { job, item: { key: 'pass' }, lease })
  while ((scrub.status().pass?.objects ?? 0) === 0) {
    await new Promise((resolve) => setImmediate(resolve))
  }
  lease.lose(new Error('aborted'))
  await expect(running).rejects.toThrow()
  rig.nowMs += 1000
  const later = rig.job('scrub', undefined, { bytesPerSecond: 0 })
  expect(await rig.apply(SCRUB_WORK, later, { key: 'pass' })).toMatchObject({ kind: 'done' })
  expect(scrub.status().pass).toMatchObject({ startedMs: rig.nowMs, objects: 4 })
})

test.each([
  { args: { bytesPerSecond: UNIT }, limits: {} },
  { args: { bytesPerSecond: 0 }, limits: { bytesPerSecond: UNIT } },
])(
  'a scrub that somebody ends before the slower of its rates lets it finish fails: %j',
  async ({ args, limits }) => {
    await cached('remote', 4)
    await rig.context.own.store.context.index.settled()
    const { scrub } = rig.context.own
    const job = { ...rig.job('scrub', undefined, args), limits }
    const running = rig.apply(SCRUB_WORK, job, { key: 'pass' })
    const refused = expect(running).rejects.toMatchObject({ code: 'job-state-invalid' })
    while ((scrub.status().pass?.objects ?? 0) === 0) {
      await new Promise((resolve) => setImmediate(resolve))
    }
    await scrub.stop()
    await refused
  },
)

test('a prefix of a scrub needs a bucket', async () => {
  await expect(
    rig.list(SCRUB_WORK, rig.job('scrub', undefined, { prefix: 'a' })),
  ).rejects.toMatchObject({ code: 'argument-invalid' })
})

test('a blob download fetches one object whole, over several connections, once', async () => {
  const bucket = await rig.stored('remote')
  rig.remote.put('remote', 'big', 'x'.repeat(10 * UNIT))
  const job = rig.job('blob-download', bucket, { key: 'big', connections: 4 })
  const [item = { key: '' }] = await rig.list(BLOB_DOWNLOAD_WORK, job)
  expect(item).toEqual({ key: 'big', sizeBytes: 10 * UNIT })
  expect(await rig.apply(BLOB_DOWNLOAD_WORK, job, item)).toEqual({ kind: 'done', bytes: 10 * UNIT })
  expect(await rig.apply(BLOB_DOWNLOAD_WORK, job, item)).toEqual({ kind: 'skipped', why: 'cached' })
  rig.remote.put('remote', 'big', 'y')
  const latest = rig.job('blob-download', bucket, { key: 'big', latest: true })
  expect(await rig.apply(BLOB_DOWNLOAD_WORK, latest, item)).toEqual({ kind: 'done', bytes: 1 })
})

test('a blob download of what is not there fails, and of a native bucket too', async () => {
  const [bucket, native] = [await rig.stored('remote'), await rig.native('own')]
  const absent = rig.job('blob-download', bucket, { key: 'none' })
  await expect(rig.list(BLOB_DOWNLOAD_WORK, absent)).rejects.toMatchObject({
    code: 'object-not-found',
  })
  await expect(rig.apply(BLOB_DOWNLOAD_WORK, absent, { key: 'none' })).rejects.toMatchObject({
    code: 'object-not-found',
  })
  const refused = rig.job('blob-download', native, { key: 'k' })
  await expect(rig.list(BLOB_DOWNLOAD_WORK, refused)).rejects.toMatchObject({
    code: 'bucket-not-remote',
  })
})
