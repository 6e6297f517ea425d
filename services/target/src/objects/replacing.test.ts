import { unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import type { BucketRecord } from '@forebay/model/bucket'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { keyIdOf } from './context.ts'
import { NATIVE, Rig } from './testing/rig.ts'

const UNSYNCED: BucketRecord = {
  ...NATIVE,
  properties: { ...NATIVE.properties, syncWrites: false },
}

let rig: Rig
beforeEach(async () => {
  rig = await Rig.open()
})
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

test.each([
  ['a native bucket', () => UNSYNCED],
  ['a bucket with a backend', () => rig.bucket],
])('who reads an object of %s while its file is replaced has the new one', async (_, bucketOf) => {
  const bucket = bucketOf()
  await rig.put('k', 'old', { bucket })
  // Started again, so that no descriptor of the old version is at hand.
  await rig.restart()
  armFailpoints('commit:renamed=delay:300')
  const writing = rig.put('k', 'new', { bucket })
  await expect.poll(() => failpointPassed('commit:renamed')).toBe(1)
  expect(String(await rig.get('k', { bucket }))).toBe('new')
  await writing
  expect(rig.events).not.toContain('record-corrupt')
  expect(rig.warnings).toEqual([])
})

test('an object without its file is damaged, whoever has its key', async () => {
  await rig.put('k', 'bytes', { bucket: NATIVE })
  await rig.restart()
  const path = rig.context.store.get(NATIVE.id, 'k')?.location.path ?? ''
  unlinkSync(join(rig.directory, 'mp', path))
  const release = await rig.context.locks.acquire(keyIdOf(NATIVE, 'k'))
  await expect(rig.get('k', { bucket: NATIVE })).rejects.toMatchObject({ code: 'object-corrupt' })
  expect(rig.events).toContain('record-corrupt')
  release()
})
