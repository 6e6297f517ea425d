import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { HeldLease, JobRig } from '../testing/job-rig.ts'
import { SUMMARY_WORK } from './summary.ts'

const COUNT = 1203

describe('summary', () => {
  let rig: JobRig
  beforeAll(async () => {
    rig = await JobRig.open()
  })
  afterAll(() => rig.close())

  const end = (
    ...[bucket, args, lease = new HeldLease()]: [
      Parameters<JobRig['job']>[1],
      Parameters<JobRig['job']>[2],
      HeldLease?,
    ]
  ) => SUMMARY_WORK.end?.(rig.context, { job: rig.job('summary', bucket, args), lease })

  it('counts what the store has and what of it is cached, over more than a page', async () => {
    const bucket = await rig.stored('counted')
    for (let at = 0; at < COUNT; at++) await rig.put(bucket, `k${at}`, 'abc')
    const signal = new AbortController().signal
    for (const key of ['k0', 'k1'])
      await rig.context.target.evict({ bucket, key, conditions: {}, signal })
    expect(await end(bucket, {})).toEqual({
      objects: COUNT,
      bytes: COUNT * 3,
      cachedObjects: COUNT - 2,
      cachedBytes: (COUNT - 2) * 3,
      smallestBytes: 3,
      largestBytes: 3,
    })
    expect(await end(bucket, { cachedOnly: true })).toMatchObject({ objects: COUNT - 2 })
  })

  it('counts a prefix alone, and a native bucket as cached whole', async () => {
    const bucket = await rig.native('own')
    await rig.put(bucket, 'a/1', 'abc')
    await rig.put(bucket, 'a/2', 'abcd')
    await rig.put(bucket, 'b', 'x')
    expect(await end(bucket, { prefix: 'a/' })).toEqual({
      objects: 2,
      bytes: 7,
      cachedObjects: 2,
      cachedBytes: 7,
      smallestBytes: 3,
      largestBytes: 4,
    })
    expect(await end(bucket, { prefix: 'none' })).toMatchObject({
      ...{ objects: 0, smallestBytes: 0, largestBytes: 0 },
    })
  })

  it('counts every bucket where none is named, and tells which could not be', async () => {
    const namespace = { uuid: '', name: '' }
    await rig.context.buckets.create(
      { provider: 'aws', namespace, name: 'away' },
      { backend: { provider: 'memory', bucket: 'gone' } },
    )
    expect(await end(undefined, { prefix: 'a/' })).toMatchObject({
      buckets: expect.arrayContaining([
        expect.objectContaining({ bucket: 'ais://own', objects: 2, bytes: 7 }),
        { bucket: 'aws://away', error: expect.any(String) },
      ]),
    })
  })

  it('ends with its lease', async () => {
    const bucket = await rig.stored('left')
    const lease = new HeldLease()
    lease.lose(new Error('gone'))
    await expect(end(bucket, {}, lease)).rejects.toThrow('gone')
  })
})
