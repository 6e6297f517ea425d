import { JOB_KINDS } from '@forebay/jobs/kinds/catalogue'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { KIND_WORKS } from '../kind-works.ts'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { EVICT_WORK } from './evict.ts'
import { PREFETCH_WORK } from './prefetch.ts'

let rig: JobRig
beforeEach(async () => {
  rig = await JobRig.open()
})
afterEach(() => rig.close())

test('every kind of the catalogue has a work, and no work is without a kind', () => {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name).sort()
  expect(names(KIND_WORKS)).toEqual(names(JOB_KINDS))
})

test('a prefetch reads each object once, and a second one none', async () => {
  const bucket = await rig.stored('remote')
  for (const key of ['a', 'b', 'c']) rig.remote.put('remote', key, key)
  const job = rig.job('prefetch', bucket, {})
  expect(await rig.run(PREFETCH_WORK, job)).toEqual({ a: 'done', b: 'done', c: 'done' })
  expect(rig.remote.requestCount('read')).toBe(3)
  expect(rig.remote.requestCount('head')).toBe(0)
  rig.remote.put('remote', 'b', 'changed')
  expect(await rig.run(PREFETCH_WORK, job)).toEqual({ a: 'cached', b: 'done', c: 'cached' })
  expect(rig.remote.requestCount('read')).toBe(4)
})

test('a key that is named must be there; one of a template need not', async () => {
  const bucket = await rig.stored('remote')
  rig.remote.put('remote', 'k1', 'x')
  expect(
    await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, { template: 'k{1..2}' })),
  ).toEqual({ k1: 'done', k2: 'absent' })
  const named = rig.job('prefetch', bucket, { keys: ['k2'] })
  await expect(rig.apply(PREFETCH_WORK, named, { key: 'k2' })).rejects.toMatchObject({
    code: 'object-not-found',
  })
})

test('without a lease nothing is fetched', async () => {
  const bucket = await rig.stored('remote')
  rig.remote.put('remote', 'a', 'x')
  const lease = new HeldLease()
  const reason = new Error('lost')
  lease.lose(reason)
  const job = rig.job('prefetch', bucket, {})
  await expect(PREFETCH_WORK.apply(rig.context, { job, item: { key: 'a' }, lease })).rejects.toBe(
    reason,
  )
  expect(rig.remote.requestCount()).toBe(0)
})

test('evict takes what is selected out of the cache, and the store keeps it', async () => {
  const bucket = await rig.stored('remote')
  for (const key of ['a/1', 'a/2', 'b/1']) rig.remote.put('remote', key, key)
  await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, {}))
  rig.remote.resetCounts()
  const evict = rig.job('evict', bucket, { prefix: 'a/' })
  expect(await rig.run(EVICT_WORK, evict)).toEqual({ 'a/1': 'done', 'a/2': 'done' })
  expect(rig.remote.requestCount()).toBe(0)
  expect(await rig.run(EVICT_WORK, evict)).toEqual({})
  const named = rig.job('evict', bucket, { keys: ['a/1', 'b/1'] })
  expect(await rig.run(EVICT_WORK, named)).toEqual({ 'a/1': 'absent', 'b/1': 'done' })
  expect(Object.keys(await rig.contents(bucket))).toEqual(['a/1', 'a/2', 'b/1'])
})

test('an entry that was fetched anew after it was listed stays', async () => {
  const bucket = await rig.stored('remote')
  rig.remote.put('remote', 'a', 'one')
  await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, {}))
  const evict = rig.job('evict', bucket, {})
  const [item = { key: 'a' }] = await rig.list(EVICT_WORK, evict)
  rig.remote.put('remote', 'a', 'other')
  await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, { latest: true }))
  rig.remote.resetCounts()
  expect(await rig.apply(EVICT_WORK, evict, item)).toMatchObject({ kind: 'skipped' })
  expect(await rig.contents(bucket)).toEqual({ a: 'other' })
  expect(rig.remote.requestCount('read')).toBe(0)
  const lease = new HeldLease()
  const reason = new Error('lost')
  lease.lose(reason)
  await expect(
    EVICT_WORK.apply(rig.context, { job: evict, item: { key: 'a' }, lease }),
  ).rejects.toBe(reason)
})

test('a native bucket has nothing to prefetch and nothing that may be evicted', async () => {
  const bucket = await rig.native('own')
  for (const work of [PREFETCH_WORK, EVICT_WORK]) {
    const job = rig.job(work.name, bucket, {})
    await expect(rig.list(work, job)).rejects.toMatchObject({ code: 'bucket-not-remote' })
  }
})
