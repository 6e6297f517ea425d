import { mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SYSTEM_BUCKET_ID } from '../../objects/system-bucket.ts'
import { bodyOf } from '../../objects/testing/rig.ts'
import { OWN } from '../../store/mountpath.ts'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { CLEANUP_WORK } from './cleanup.ts'
import { PREFETCH_WORK } from './prefetch.ts'

const DAY_MS = 86_400_000
const { signal } = new AbortController()

let rig: JobRig
beforeEach(async () => {
  rig = await JobRig.open()
})
afterEach(() => rig.close())

/** An upload with one part; its id. */
async function begin(bucket: BucketRecord, key: string): Promise<string> {
  const { target } = rig.context
  const { uploadId } = await target.createUpload({
    ...{ bucket, key, headers: {}, metadata: {}, signal },
  })
  await target.writePart({
    ...{ bucket, key, uploadId, partNumber: 1, stated: [], signal },
    body: bodyOf(Buffer.from(key)),
  })
  return uploadId
}

const clean = (args = {}) => rig.run(CLEANUP_WORK, rig.job('cleanup', undefined, args))
const systemObjects = () =>
  rig.context.own.store.context.index.bucketTally(SYSTEM_BUCKET_ID).objects

test('uploads of a bucket that is gone leave with their parts, others stay', async () => {
  const [gone, kept] = [await rig.native('gone'), await rig.native('kept')]
  const uploadId = await begin(gone, 'a')
  await begin(kept, 'b')
  expect(await clean()).toEqual({})
  await rig.context.buckets.destroy(gone.id)
  expect(await clean()).toEqual({ [`upload ${uploadId}`]: 'done' })
  expect(systemObjects()).toBe(2)
  expect(await clean()).toEqual({})
})

test('uploads leave by their age only where that is ordered, and only in the bucket that is named', async () => {
  const [first, second] = [await rig.native('first'), await rig.native('second')]
  const old = await begin(first, 'a')
  await begin(second, 'b')
  rig.nowMs += 3 * DAY_MS
  const young = await begin(first, 'c')
  expect(await clean({ uploadsOlderThanDays: 4 })).toEqual({})
  const job = rig.job('cleanup', first, { uploadsOlderThanDays: 2 })
  expect(await rig.run(CLEANUP_WORK, job)).toEqual({ [`upload ${old}`]: 'done' })
  const { uploads } = await rig.context.target.listUploads({
    ...{ bucket: first, prefix: '', pageMax: 10, signal },
  })
  expect(uploads.map(({ uploadId }) => uploadId)).toEqual([young])
  expect(systemObjects()).toBe(4)
})

test('the answer of a completed upload is kept for a day', async () => {
  const bucket = await rig.native('own')
  const uploadId = await begin(bucket, 'a')
  const { target } = rig.context
  const { parts } = await target.listParts({
    ...{ bucket, key: 'a', uploadId, afterPart: 0, pageMax: 10, signal },
  })
  await target.completeUpload({ bucket, key: 'a', uploadId, parts, conditions: {}, signal })
  rig.nowMs += DAY_MS
  expect(await clean()).toEqual({})
  rig.nowMs += 1
  expect(await clean()).toEqual({ [`upload ${uploadId}`]: 'done' })
  expect(systemObjects()).toBe(0)
  expect(await rig.contents(bucket)).toEqual({ a: 'a' })
})

test('a part without the beginning of its upload leaves after a day', async () => {
  const bucket = await rig.native('own')
  const uploadId = await begin(bucket, 'a')
  await begin(bucket, 'b')
  const key = `m/${bucket.id}/a\0${uploadId}`
  const { store } = rig.context.own
  await store.remove(SYSTEM_BUCKET_ID, key, { sync: false, settle: false, why: 'delete' })
  rig.nowMs += DAY_MS - 1000
  expect(await clean()).toEqual({})
  rig.nowMs += 2000
  expect(await clean()).toEqual({ [`part p/${uploadId}/00001`]: 'done' })
  expect(systemObjects()).toBe(2)
})

test('copies whose time to live is over leave', async () => {
  const bucket = await rig.stored('remote')
  const ttls = [{ prefix: 'a', ttlMs: DAY_MS }]
  await rig.context.buckets.update(bucket.id, { properties: { ttls } })
  for (const key of ['a', 'b']) rig.remote.put('remote', key, key)
  await rig.run(PREFETCH_WORK, rig.job('prefetch', bucket, {}))
  expect(await clean()).toEqual({})
  rig.nowMs += DAY_MS
  expect(await clean()).toEqual({ 'copy of aws://remote/a': 'done' })
  expect(rig.context.own.store.context.index.bucketTally(bucket.id).objects).toBe(1)
})

test('a copy that is cached in part leaves by its age', async () => {
  const bucket = await rig.stored('remote')
  rig.remote.put('remote', 'big', 'x'.repeat(40 * 1024 ** 2))
  const answer = await rig.context.target.read({
    ...{
      bucket,
      key: 'big',
      conditions: {},
      signal,
      range: { kind: 'from-to', first: 0, last: 9 },
    },
  })
  if (answer.kind !== 'found') throw new Error(answer.kind)
  await answer.body.pump?.(() => undefined, signal)
  const { index } = rig.context.own.store.context
  await expect.poll(() => index.bucketTally(bucket.id).objects).toBe(1)
  await expect.poll(() => rig.objects.fills.activeCount).toBe(0)
  expect(await clean({ partialOlderThanDays: 1 })).toEqual({})
  rig.nowMs += DAY_MS + 1
  expect(await clean()).toEqual({})
  expect(await clean({ partialOlderThanDays: 1 })).toEqual({ 'copy of aws://remote/big': 'done' })
  expect(index.bucketTally(bucket.id).objects).toBe(0)
})

test('what waits to be deleted is removed, and a dry run removes nothing', async () => {
  const bucket = await rig.native('gone')
  const uploadId = await begin(bucket, 'a')
  await rig.context.buckets.destroy(bucket.id)
  const [drive] = rig.context.own.store.context.drives
  const root = drive?.mountpath.root ?? ''
  const trash = join(root, OWN.trash)
  mkdirSync(join(trash, 'left'))
  writeFileSync(join(trash, 'left', 'file'), 'x')
  const names = [`trash of ${root}`, `upload ${uploadId}`]
  const dry = await clean({ dryRun: true })
  expect(dry).toEqual(Object.fromEntries(names.map((name) => [name, 'would go'])))
  expect([readdirSync(trash).length, systemObjects()]).toEqual([1, 2])
  expect(Object.keys(await clean())).toEqual(names)
  expect([readdirSync(trash).length, systemObjects()]).toEqual([0, 0])
})

test('without a lease nothing is removed', async () => {
  const bucket = await rig.native('gone')
  await begin(bucket, 'a')
  await rig.context.buckets.destroy(bucket.id)
  const job = rig.job('cleanup', undefined, {})
  const [item = { key: '' }] = await rig.list(CLEANUP_WORK, job)
  const lease = new HeldLease()
  const reason = new Error('lost')
  lease.lose(reason)
  await expect(CLEANUP_WORK.apply(rig.context, { job, item, lease })).rejects.toBe(reason)
  expect(systemObjects()).toBe(2)
})
