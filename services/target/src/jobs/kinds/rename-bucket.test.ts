import { afterEach, beforeEach, expect, test } from 'vitest'
import { JobRig } from '../testing/job-rig.ts'
import { RENAME_BUCKET_WORK } from './rename-bucket.ts'

let rig: JobRig

beforeEach(async () => {
  rig = await JobRig.open()
})

afterEach(() => rig.close())

test('a native bucket gets another name, with all of its objects; a second time changes nothing', async () => {
  const bucket = await rig.native('old')
  await rig.put(bucket, 'k', 'bytes')
  const job = rig.job('rename-bucket', bucket, { to: 'ais://new' })
  const [item] = await rig.list(RENAME_BUCKET_WORK, job)
  if (item === undefined) throw new Error('there is no item')
  expect(await rig.apply(RENAME_BUCKET_WORK, job, item)).toEqual({ kind: 'done', bytes: 0 })
  const [renamed] = rig.context.buckets.get('new')
  if (renamed === undefined) throw new Error('it is not there')
  expect(await rig.contents(renamed)).toEqual({ k: 'bytes' })
  expect(rig.context.buckets.get('old')).toEqual([])
  const again = await rig.apply(RENAME_BUCKET_WORK, job, item)
  expect(again).toEqual({ kind: 'skipped', why: 'renamed' })
})

test('what has a backend, and a name that is taken or of a provider, is refused', async () => {
  const bucket = await rig.native('old')
  const stored = await rig.stored('stored')
  const refused = { code: 'argument-invalid' }
  const rename = (of: typeof bucket, to: string) =>
    rig.run(RENAME_BUCKET_WORK, rig.job('rename-bucket', of, { to }))
  await expect(rename(stored, 'ais://new')).rejects.toMatchObject(refused)
  await expect(rename(bucket, 's3://new')).rejects.toMatchObject(refused)
  await rig.native('taken')
  await expect(rename(bucket, 'ais://taken')).rejects.toMatchObject({ code: 'bucket-exists' })
})
