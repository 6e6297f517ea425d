import { afterEach, beforeEach, expect, test } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { namesBetween } from './names-between.ts'

let rig: JobRig

beforeEach(async () => {
  rig = await JobRig.open()
})

afterEach(() => rig.close())

test('of a part with any number of names, only those that are asked about are kept', async () => {
  const bucket = await rig.native('bucket')
  for (const key of ['a', 'b', 'c', 'd']) await rig.put(bucket, key, key)
  const part = { bucket, prefix: '', after: '', final: 'd', lease: new HeldLease() }
  const pagesMax = Number.POSITIVE_INFINITY
  const { objects, known } = await namesBetween(rig.context, {
    ...part,
    pagesMax,
    only: new Set(['b', 'x']),
  })
  expect([...objects.keys()]).toEqual(['b'])
  expect(known).toBe('d')
  const all = await namesBetween(rig.context, { ...part, pagesMax: 1 })
  expect(all.objects.size).toBe(4)
})
