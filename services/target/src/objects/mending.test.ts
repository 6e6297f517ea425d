import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { flipBit, pathOf, readBlock, recordOf } from '../scrub/testing/scrub-rig.ts'
import { Mending } from './mending.ts'
import { cachedBucket, pattern, Rig } from './testing/rig.ts'

const BLOCK = 64 * 1024

let rig: Rig | undefined
afterEach(async () => {
  armFailpoints('')
  await rig?.close()
  rig = undefined
})

test('who asks while a corrupt entry is being removed waits, and gets the right bytes', async () => {
  rig = await Rig.open(cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK }))
  const bytes = pattern(4 * BLOCK)
  rig.remote.put('remote', 'a', bytes)
  await readBlock(rig, 'a', 0)
  flipBit(pathOf(rig, recordOf(rig, 'a')), 50)
  armFailpoints('remove:begun=delay:50')
  const spoilt = expect(rig.get('a')).rejects.toMatchObject({ code: 'backend-corrupt' })
  while (failpointPassed('remove:begun') === 0) await new Promise((go) => setImmediate(go))
  expect(await rig.get('a')).toEqual(bytes)
  await spoilt
})

test('those who wait hear of the end whatever came of it, and no other key waits', async () => {
  const mending = new Mending()
  const work = Promise.withResolvers<void>()
  const during = mending.during('1/a', () => work.promise)
  const waiting = mending.of('1/a')
  expect(waiting).toBeDefined()
  expect(mending.of('1/b')).toBeUndefined()
  work.reject(new Error('the disk'))
  await expect(during).rejects.toThrow('the disk')
  await waiting
  expect(mending.of('1/a')).toBeUndefined()
})
