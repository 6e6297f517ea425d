import { mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { JsonObject } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { KindWork } from '../kind-work.ts'
import { JobRig } from '../testing/job-rig.ts'
import { COPY_OBJECTS_WORK } from './copy-objects.ts'
import { PREFETCH_WORK } from './prefetch.ts'
import { PROMOTE_WORK } from './promote.ts'

/** 2,000 bytes of UTF-8 in 1,000 characters. */
const LONG = 'é'.repeat(1000)

let rig: JobRig
let bucket: BucketRecord
let folder: string

beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'forebay-made-keys-')))
  await writeFile(join(folder, 'file'), 'bytes')
  rig = await JobRig.open({ promoteFolders: [folder] })
  bucket = await rig.native('bucket')
  await rig.put(bucket, 'key', 'bytes')
  rig.nowMs += 5000
})

afterEach(async () => {
  await rig.close()
  await rm(folder, { recursive: true, force: true })
})

function works(): readonly (readonly [KindWork, JsonObject])[] {
  const copy = { keys: ['key'], to: 'ais://bucket' }
  const source = join(folder, 'file')
  return [
    [COPY_OBJECTS_WORK, { ...copy, prepend: LONG }],
    [COPY_OBJECTS_WORK, { ...copy, keyTo: LONG }],
    [PROMOTE_WORK, { source, name: LONG }],
    [PROMOTE_WORK, { source, prepend: LONG }],
  ]
}

test('a key that a job makes is bounded as all are, and the disk goes on', async () => {
  for (const [work, args] of works()) {
    await expect(rig.run(work, rig.job(work.name, bucket, args))).rejects.toMatchObject({
      code: 'key-too-long',
    })
  }
  await rig.put(bucket, 'next', 'bytes')
  await rig.restart()
  expect(Object.keys(await rig.contents(bucket))).toEqual(['key', 'next'])
})

test('a key of a store that is longer than any here is not brought into the cache', async () => {
  const remote = await rig.stored('remote')
  const job = rig.job('prefetch', remote, {})
  await expect(rig.apply(PREFETCH_WORK, job, { key: LONG })).rejects.toMatchObject({
    code: 'key-too-long',
  })
})
