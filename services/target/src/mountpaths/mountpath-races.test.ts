import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { LocalObjectStore } from '../store/local-store.ts'
import { read } from '../store/testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  type Opened,
  openTestStore,
  put,
  temporaryDirectory,
} from '../store/testing/store-fixture.ts'

const KEYS = Array.from({ length: 24 }, (_, at) => `key-${at}`)

let home = ''
let opened: Opened | undefined
beforeEach(() => {
  home = temporaryDirectory()
})
afterEach(async () => {
  armFailpoints('')
  await opened?.store.close()
  opened = undefined
  rmSync(home, { recursive: true, force: true })
})

const at = (name: string): string => join(home, name)

async function open(): Promise<LocalObjectStore> {
  opened = await openTestStore([at('a'), at('b')], {
    indexDir: at('index'),
    mountpathTable: at('mountpaths.json'),
  })
  return opened.store
}

const stateOf = (store: LocalObjectStore, name: string): string | undefined =>
  store.mountpaths.list().find(({ path }) => path === at(name))?.state

const isOn = (store: LocalObjectStore, name: string, found: [bucketId: number, key: string]) => {
  const mountpath = store.context.index.current(...found)?.location.mountpath ?? -1
  return store.context.driveByNumber.get(mountpath)?.mountpath.root === at(name)
}

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 10_000 }).toBe(true)
}

/** Brings it back as soon as it is closed. */
async function enable(store: LocalObjectStore, name: string): Promise<void> {
  await until(() => !existsSync(join(at(name), '.forebay', 'lock')))
  await expect
    .poll(() => store.mountpaths.enable(at(name)).then(({ state }) => state, String), {
      interval: 5,
      timeout: 10_000,
    })
    .toBe('enabled')
}

test('of copies that come back with their mountpath the backend is asked again', async () => {
  const store = await open()
  for (const key of KEYS) await put(store, { bucket: CACHED, key, text: key }, LAZY)
  const onB = KEYS.filter((key) => isOn(store, 'b', [8, key]))
  const [key = ''] = onB
  await store.mountpaths.disable(at('b'), { force: true })
  // A store that tells of a change now finds no copy to make stale.
  store.expire(8, 'another')
  expect(store.get(8, key)).toBeUndefined()
  await enable(store, 'b')
  for (const copy of onB) expect(store.get(8, copy)?.validatedMs).toBe(0)
  const record = store.get(8, key)
  if (record === undefined) throw new Error('no record')
  store.confirm(record, 1_700_000_000_001)
  expect(store.get(8, key)?.validatedMs).toBe(1_700_000_000_001)
  const others = KEYS.filter((copy) => !onB.includes(copy))
  for (const copy of others) expect(store.get(8, copy)?.validatedMs).toBe(1_700_000_000_000)
})

test('what is deleted in the moment in which its mountpath returns leaves no file there', async () => {
  const store = await open()
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: key })
  const key = KEYS.find((one) => isOn(store, 'b', [7, one])) ?? ''
  await store.mountpaths.disable(at('b'), { force: true })
  await until(() => !existsSync(join(at('b'), '.forebay', 'lock')))
  armFailpoints('remove:begun=delay:300')
  const removed = store.remove(7, key, { sync: true, settle: false, why: 'delete' })
  await enable(store, 'b')
  expect(await removed).toBe(true)
  expect(read(store, 7, key)).toBeUndefined()
  expect(existsSync(join(at('b'), 'ais/@/native.7', key))).toBe(false)
})

test('a mountpath that was enabled and is detached once more is emptied once more', async () => {
  const store = await open()
  mkdirSync(at('c'))
  armFailpoints('attach:prepared=delay:100;drain:begun=delay:300@2')
  await store.mountpaths.detach(at('b'))
  // The first round ends while these wait for their turn, and is heard of after all of them.
  const attached = store.mountpaths.attach(at('c'))
  const enabled = store.mountpaths.enable(at('b'))
  const detached = store.mountpaths.detach(at('b'))
  await enabled
  await Promise.all(KEYS.map((key) => put(store, { bucket: NATIVE, key, text: key })))
  expect(KEYS.some((key) => isOn(store, 'b', [7, key]))).toBe(true)
  await Promise.all([attached, detached])
  await until(() => stateOf(store, 'b') === undefined)
  for (const key of KEYS) expect(read(store, 7, key)).toBe(key)
})

test('a write that is under way while its mountpath leaves is there when that returns', async () => {
  const store = await open()
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: 'old' })
  const key = KEYS.find((one) => isOn(store, 'b', [7, one])) ?? ''
  await store.remove(7, key, { sync: true, settle: false, why: 'delete' })
  armFailpoints('commit:renamed=delay:500')
  const written = put(store, { bucket: NATIVE, key, text: 'new' })
  await until(() => failpointPassed('commit:renamed') === 1)
  await store.mountpaths.disable(at('b'), { force: true })
  await enable(store, 'b')
  await written
  expect(read(store, 7, key)).toBe('new')
})

test('what was deleted before the index was built without a mountpath does not return with that', async () => {
  let store = await open()
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: key })
  const [deleted = '', replaced = ''] = KEYS.filter((key) => isOn(store, 'b', [7, key]))
  await store.mountpaths.disable(at('b'), { force: true })
  await store.remove(7, deleted, { sync: true, settle: false, why: 'delete' })
  await put(store, { bucket: NATIVE, key: replaced, text: 'new' })
  await store.remove(7, replaced, { sync: true, settle: false, why: 'delete' })
  await store.close()
  rmSync(at('index'), { recursive: true })
  store = await open()
  await enable(store, 'b')
  for (const key of KEYS) {
    const isGone = key === deleted || key === replaced
    expect(read(store, 7, key), key).toBe(isGone ? undefined : key)
  }
})

test('a copy whose mountpath leaves between look-up and opening is read anew, not refused', async () => {
  const store = await open()
  for (const key of KEYS) {
    await put(store, { bucket: NATIVE, key, text: key })
    await put(store, { bucket: CACHED, key, text: key }, LAZY)
  }
  const found = (bucketId: number) => {
    const key = KEYS.find((one) => isOn(store, 'b', [bucketId, one])) ?? ''
    const record = store.get(bucketId, key)
    if (record === undefined) throw new Error('no record')
    return record
  }
  const native = found(7)
  const copy = found(8)
  await store.mountpaths.disable(at('b'), { force: true })
  expect(store.open(copy)).toBeUndefined()
  expect(store.get(8, copy.key)).toBeUndefined()
  expect(() => store.open(native)).toThrow(/out of service/)
  expect(opened?.events.some(({ event }) => event === 'record-corrupt')).toBe(false)
})
