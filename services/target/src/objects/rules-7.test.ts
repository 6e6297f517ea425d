import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { writeSyncMark } from '../store/sync-mark.ts'
import {
  CACHED,
  LAZY,
  openTestStore,
  put,
  putPartial,
  temporaryDirectory,
  writeBlock,
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

test('rule 7: a power loss takes every partial entry, also one of before the mark', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  const [drive] = first.store.context.drives
  if (drive === undefined) throw new Error('no drive')
  await put(first.store, { bucket: CACHED, key: 'whole', text: 'whole' }, LAZY)
  const partial = await putPartial(first.store, 'partial', 10_000)
  await writeBlock(first.store, partial, { at: 0, fill: 1 })
  await writeSyncMark(first.store.context, drive)
  await first.store.close()
  const path = join(root, '.forebay/state.json')
  const state = JSON.parse(readFileSync(path, 'utf8'))
  const another = { boot: 'another', mount: 'another' }
  writeFileSync(path, JSON.stringify({ ...state, clean: false, identity: another }))

  const { store } = await openTestStore([root])
  expect(store.get(CACHED.id, 'whole')).toMatchObject({ validatedMs: 0 })
  expect(store.get(CACHED.id, 'partial')).toBeUndefined()
  await store.close()
})
