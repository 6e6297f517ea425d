import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { NATIVE, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

test('a bucket is not empty while the first object of it is being committed', async () => {
  rig = await Rig.open()
  armFailpoints('commit:journalled=delay:50')
  const writing = rig.put('k', 'bytes', { bucket: NATIVE })
  while (failpointPassed('commit:journalled') === 0) await rig.clock.sleep(1)
  const sealed = await rig.target.sealIfEmpty(NATIVE)
  if (sealed) await rig.target.unseal(NATIVE)
  await writing
  expect(sealed).toBe(false)
  expect(String(await rig.get('k', { bucket: NATIVE }))).toBe('bytes')
})

test('a write that meets a sealed bucket finds it gone, or goes on when it stays', async () => {
  rig = await Rig.open()
  expect(await rig.target.sealIfEmpty(NATIVE)).toBe(true)
  const first = rig.put('first', 'bytes', { bucket: NATIVE })
  await rig.target.unseal(NATIVE)
  await first
  expect(await rig.target.sealIfEmpty(NATIVE)).toBe(false)
  await rig.remove('first', NATIVE)
  expect(await rig.target.sealIfEmpty(NATIVE)).toBe(true)
  const second = rig.put('second', 'bytes', { bucket: NATIVE })
  const refused = expect(second).rejects.toMatchObject({ code: 'bucket-not-found' })
  await rig.target.dropBucket(NATIVE)
  await refused
  expect(rig.context.store.get(NATIVE.id, 'second')).toBeUndefined()
  expect(rig.context.store.totals().reservedBytes).toBe(0)
})

test('nothing comes into a bucket of a backend after it was dropped', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'k', 'bytes')
  await rig.target.dropBucket(rig.bucket)
  expect(String(await rig.get('k'))).toBe('bytes')
  await rig.idle()
  expect(rig.context.store.get(rig.bucket.id, 'k')).toBeUndefined()
  expect(existsSync(join(rig.directory, 'mp/aws'))).toBe(false)
})
