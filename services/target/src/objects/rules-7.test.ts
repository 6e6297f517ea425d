import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { writeSyncMark } from '../store/sync-mark.ts'
import {
  CACHED,
  LAZY,
  openTestStore,
  put,
  temporaryDirectory,
} from '../store/testing/store-fixture.ts'

afterEach(() => armFailpoints(''))

async function openWithDrive() {
  const { store } = await openTestStore([temporaryDirectory()])
  const [drive] = store.context.drives
  if (drive === undefined) throw new Error('no drive')
  return { store, drive }
}

test('rule 7: a mark stands behind what is on disk, not behind what is being committed', async () => {
  const { store, drive } = await openWithDrive()
  armFailpoints('commit:journalled=delay:100')
  const writing = put(store, { bucket: CACHED, key: 'late', text: 'late' }, LAZY)
  while (drive.inFlight.size === 0) await new Promise((resolve) => setImmediate(resolve))
  await writeSyncMark(store.context, drive)
  const { stamp } = await writing
  expect(drive.state.syncedBelow).toBeLessThanOrEqual(stamp.counter)
  await writeSyncMark(store.context, drive)
  expect(drive.state.syncedBelow).toBeGreaterThan(stamp.counter)
  await store.close()
})

test('rule 7: a mark whose sync failed is not written', async () => {
  const { store, drive } = await openWithDrive()
  await put(store, { bucket: CACHED, key: 'k', text: 'text' }, LAZY)
  const before = drive.state.syncedBelow
  const broken = Object.create(drive, {
    mountpath: { value: Object.create(drive.mountpath, { fd: { value: -1 } }) },
  }) as typeof drive
  await expect(writeSyncMark(store.context, broken)).rejects.toMatchObject({ code: 'disk-error' })
  expect(drive.state.syncedBelow).toBe(before)
  await store.close()
})
