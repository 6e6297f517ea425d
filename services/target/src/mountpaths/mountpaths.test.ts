import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import type { LocalObjectStore } from '../store/local-store.ts'
import type { StoreOptions } from '../store/open-store.ts'
import { read } from '../store/testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  type Opened,
  openTestStore,
  put,
  putPartial,
  temporaryDirectory,
} from '../store/testing/store-fixture.ts'

const KEYS = Array.from({ length: 24 }, (_, at) => `key-${at}`)

let home = ''
let opened: Opened | undefined
afterEach(async () => {
  await opened?.store.close()
  opened = undefined
  rmSync(home, { recursive: true, force: true })
})

/** A node's store with its index apart, so that every mountpath can go. */
async function open(
  names: readonly string[],
  overrides: Partial<StoreOptions> = {},
): Promise<LocalObjectStore> {
  if (home === '' || !existsSync(home)) home = temporaryDirectory()
  opened = await openTestStore(
    names.map((name) => join(home, name)),
    { indexDir: join(home, 'index'), mountpathTable: join(home, 'mountpaths.json'), ...overrides },
  )
  opened.store.mountpaths.resume()
  return opened.store
}

async function reopen(names: readonly string[]): Promise<LocalObjectStore> {
  await opened?.store.close()
  opened = undefined
  return open(names)
}

async function fill(store: LocalObjectStore): Promise<void> {
  for (const key of KEYS) {
    await put(store, { bucket: NATIVE, key, text: `native ${key}` })
    await put(store, { bucket: CACHED, key, text: `cached ${key}` }, LAZY)
  }
}

const at = (name: string): string => join(home, name)
const stateOf = (store: LocalObjectStore, name: string): string | undefined =>
  store.mountpaths.list().find(({ path }) => path === at(name))?.state
const objectsOn = (store: LocalObjectStore, name: string): number =>
  store.mountpaths.list().find(({ path }) => path === at(name))?.objectCount ?? 0
const mountpathOfKey = (
  store: LocalObjectStore,
  bucketId: number,
  key: string,
): string | undefined =>
  store.context.driveByNumber.get(
    store.context.index.current(bucketId, key)?.location.mountpath ?? -1,
  )?.mountpath.root

async function until(holds: () => boolean): Promise<void> {
  await expect.poll(holds, { interval: 5, timeout: 10_000 }).toBe(true)
}

function expectNatives(store: LocalObjectStore): void {
  for (const key of KEYS) expect(read(store, 7, key), key).toBe(`native ${key}`)
}

test('keys spread over the mountpaths of the settings, and each is found on its own', async () => {
  const store = await open(['a', 'b', 'c'])
  await fill(store)
  for (const name of ['a', 'b', 'c']) expect(objectsOn(store, name)).toBeGreaterThan(4)
  expectNatives(store)
})

test('a directory that is attached takes new versions, and what is stored stays where it is', async () => {
  const store = await open(['a'])
  await fill(store)
  mkdirSync(at('b'))
  await store.mountpaths.attach(at('b'))
  expect(objectsOn(store, 'b')).toBe(0)
  expectNatives(store)
  await fill(store)
  expect(objectsOn(store, 'b')).toBeGreaterThan(8)
  expect(objectsOn(store, 'a')).toBeGreaterThan(8)
  expectNatives(store)
  // The old files of those that went over are gone.
  const moved = KEYS.find((key) => mountpathOfKey(store, 7, key) === at('b')) ?? ''
  expect(existsSync(join(at('a'), 'ais/@/native.7', moved))).toBe(false)
})

test('a mountpath that was attached is there after a restart', async () => {
  let store = await open(['a'])
  mkdirSync(at('b'))
  await store.mountpaths.attach(at('b'))
  await fill(store)
  store = await reopen(['a'])
  expect(store.mountpaths.list().map(({ path }) => path)).toEqual([at('a'), at('b')])
  expectNatives(store)
})

test('what cannot be a mountpath is refused', async () => {
  const store = await open(['a'])
  mkdirSync(at('full'))
  writeFileSync(join(at('full'), 'file'), '')
  mkdirSync(join(at('a'), 'inner'))
  for (const path of [at('full'), at('none'), 'relative', join(at('a'), 'inner'), home]) {
    await expect(store.mountpaths.attach(path), path).rejects.toMatchObject({
      code: 'argument-invalid',
    })
  }
  expect(store.mountpaths.list()).toHaveLength(1)
})

test('a mountpath that is detached hands its native objects to the others and drops its copies', async () => {
  let store = await open(['a', 'b', 'c'])
  await fill(store)
  await putPartial(store, 'partial', 10_000)
  const cachedOnB = KEYS.filter((key) => mountpathOfKey(store, 8, key) === at('b'))
  const stamps = new Map(KEYS.map((key) => [key, store.get(7, key)?.stamp]))
  await store.mountpaths.detach(at('b'))
  await until(() => stateOf(store, 'b') === undefined)
  expectNatives(store)
  for (const key of KEYS) {
    expect(store.get(7, key)?.stamp).toEqual(stamps.get(key))
    expect(mountpathOfKey(store, 7, key)).not.toBe(at('b'))
    expect(store.get(8, key) === undefined).toBe(cachedOnB.includes(key))
  }
  // Nothing of it is left, so that it can come again.
  await until(() => !existsSync(join(at('b'), '.forebay')))
  expect(existsSync(join(at('b'), 'ais'))).toBe(false)
  await until(() => opened?.events.some(({ event }) => event === 'mountpath-detached') === true)
  // The settings name it still, and it stays away.
  store = await reopen(['a', 'b', 'c'])
  expect(store.mountpaths.list().map(({ path }) => path)).toEqual([at('a'), at('c')])
  expectNatives(store)
  await store.mountpaths.attach(at('b'))
  await fill(store)
  expect(objectsOn(store, 'b')).toBeGreaterThan(4)
})

test('what was moved and then deleted does not come back when the index is built anew', async () => {
  let store = await open(['a', 'b'])
  await fill(store)
  await store.mountpaths.disable(at('b'))
  await until(() => stateOf(store, 'b') === 'disabled')
  for (const key of KEYS) {
    await store.remove(7, key, { sync: true, settle: false, why: 'delete' })
  }
  await store.mountpaths.enable(at('b'))
  await opened?.store.close()
  opened = undefined
  rmSync(at('index'), { recursive: true })
  store = await open(['a', 'b'])
  for (const key of KEYS) expect(store.get(7, key), key).toBeUndefined()
})

test('a mountpath that is disabled stays so after a restart, and is of use again when it is enabled', async () => {
  let store = await open(['a', 'b'])
  await fill(store)
  await store.mountpaths.disable(at('b'))
  await until(() => stateOf(store, 'b') === 'disabled')
  expect(objectsOn(store, 'b')).toBe(0)
  store = await reopen(['a', 'b'])
  expect(stateOf(store, 'b')).toBe('disabled')
  expectNatives(store)
  await store.mountpaths.enable(at('b'))
  await fill(store)
  expect(objectsOn(store, 'b')).toBeGreaterThan(8)
  expectNatives(store)
})

test('enabled again while it is emptied, a mountpath keeps what it still has', async () => {
  const store = await open(['a', 'b'])
  await fill(store)
  await store.mountpaths.disable(at('b'))
  await store.mountpaths.enable(at('b'))
  expect(stateOf(store, 'b')).toBe('enabled')
  expectNatives(store)
})

test('the last mountpath and the one with the index stay', async () => {
  const store = await open(['a', 'b'], { indexDir: undefined })
  for (const force of [false, true]) {
    const refused = store.mountpaths.detach(at('a'), { force })
    await expect(refused).rejects.toThrow(/has the index/)
  }
  await store.close()
  opened = undefined
  rmSync(home, { recursive: true })
  const single = await open(['a'])
  await expect(single.mountpaths.disable(at('a'))).rejects.toThrow(/is the last one/)
  await expect(single.mountpaths.disable(at('z'))).rejects.toThrow(/no mountpath/)
})

test('a mountpath whose objects fit nowhere else is not emptied, and by force it says what is missing', async () => {
  const store = await open(['a', 'b'])
  await fill(store)
  const natives = KEYS.filter((key) => mountpathOfKey(store, 7, key) === at('b'))
  const [other] = store.context.drives
  const roomless = { roomBytes: { get: () => 10 } }
  Object.defineProperties(other?.space, roomless)
  await expect(store.mountpaths.detach(at('b'))).rejects.toMatchObject({ code: 'out-of-space' })
  expect(stateOf(store, 'b')).toBe('enabled')
  const left = await store.mountpaths.detach(at('b'), { force: true })
  expect(left.objectCount).toBe(natives.length)
  expect(stateOf(store, 'b')).toBeUndefined()
  for (const key of KEYS) {
    expect(read(store, 7, key)).toBe(natives.includes(key) ? undefined : `native ${key}`)
  }
})

test('an object whose file is damaged keeps its mountpath in service', async () => {
  const store = await open(['a', 'b'])
  await fill(store)
  const damaged = KEYS.find((key) => mountpathOfKey(store, 7, key) === at('b')) ?? ''
  writeFileSync(join(at('b'), 'ais/@/native.7', damaged), 'x')
  store.context.files.dropMountpath(store.get(7, damaged)?.location.mountpath ?? 0)
  await store.mountpaths.detach(at('b'))
  await until(() => opened?.events.some(({ event }) => event === 'drain-failed') === true)
  expect(stateOf(store, 'b')).toBe('enabled')
  expect(store.mountpaths.list().at(1)?.reason).toContain(damaged)
})

test('of a mountpath that failed, copies are absent, native objects unavailable, and both are back with it', async () => {
  const store = await open(['a', 'b'])
  await fill(store)
  const onB = (bucketId: number): readonly string[] =>
    KEYS.filter((key) => mountpathOfKey(store, bucketId, key) === at('b'))
  const natives = onB(7)
  const copies = onB(8)
  await store.markUnsettled(8, 'doubtful')
  const drive = store.context.drives.find(({ mountpath }) => mountpath.root === at('b'))
  if (drive === undefined) throw new Error('no drive')
  expect(await store.mountpaths.fault(drive, 'it does not answer')).toBe(true)
  expect(store.mountpaths.troubles()).toEqual([expect.stringContaining('it does not answer')])
  for (const key of copies) expect(store.get(8, key)).toBeUndefined()
  for (const key of natives) {
    expect(() => read(store, 7, key)).toThrow(expect.objectContaining({ code: 'unavailable' }))
  }
  // Meanwhile: one copy comes anew, one native object is replaced, one deleted.
  const [kept = '', replaced = '', deleted = ''] = natives
  const [refetched = '', untouched = ''] = copies
  await put(store, { bucket: CACHED, key: refetched, text: 'newer' }, LAZY)
  await put(store, { bucket: NATIVE, key: replaced, text: 'newer' })
  await store.remove(7, deleted, { sync: true, settle: false, why: 'delete' })
  await until(() => !existsSync(join(at('b'), '.forebay', 'lock')))
  await store.mountpaths.enable(at('b'))
  expect(read(store, 7, kept)).toBe(`native ${kept}`)
  expect(read(store, 8, untouched)).toBe(`cached ${untouched}`)
  expect(read(store, 7, replaced)).toBe('newer')
  expect(read(store, 8, refetched)).toBe('newer')
  expect(store.get(7, deleted)).toBeUndefined()
  expect(store.isUnsettled(8, 'doubtful')).toBe(true)
  // Nothing of what was replaced or deleted is left on the disk.
  for (const key of [replaced, deleted]) {
    expect(existsSync(join(at('b'), 'ais/@/native.7', key))).toBe(false)
  }
})

test('what changed while a mountpath was away stays changed when the index is built anew', async () => {
  let store = await open(['a', 'b'])
  await fill(store)
  const natives = KEYS.filter((key) => mountpathOfKey(store, 7, key) === at('b'))
  const [replaced = '', deleted = ''] = natives
  await store.mountpaths.disable(at('b'), { force: true })
  await put(store, { bucket: NATIVE, key: replaced, text: 'newer' })
  await store.remove(7, replaced, { sync: true, settle: false, why: 'delete' })
  await store.remove(7, deleted, { sync: true, settle: false, why: 'delete' })
  await until(() => !existsSync(join(at('b'), '.forebay', 'lock')))
  await store.mountpaths.enable(at('b'))
  await store.close()
  opened = undefined
  rmSync(at('index'), { recursive: true })
  store = await open(['a', 'b'])
  for (const key of KEYS) {
    const gone = key === replaced || key === deleted
    expect(read(store, 7, key)).toBe(gone ? undefined : `native ${key}`)
  }
})

test('a disk that is not mounted at the start is left out, and its directory stays empty', async () => {
  let store = await open(['a', 'b'])
  await fill(store)
  const natives = KEYS.filter((key) => mountpathOfKey(store, 7, key) === at('b'))
  await store.close()
  opened = undefined
  renameSync(at('b'), at('elsewhere'))
  mkdirSync(at('b'))
  store = await open(['a', 'b'])
  expect(stateOf(store, 'b')).toBe('faulted')
  expect(store.mountpaths.troubles()).toEqual([expect.stringContaining('may not be mounted')])
  expect(existsSync(join(at('b'), '.forebay'))).toBe(false)
  expect(() => read(store, 7, natives[0] ?? '')).toThrow(/out of service/)
  await expect(store.mountpaths.enable(at('b'))).rejects.toMatchObject({ code: 'disk-error' })
  rmSync(at('b'), { recursive: true })
  renameSync(at('elsewhere'), at('b'))
  await store.mountpaths.enable(at('b'))
  expectNatives(store)
})

test('a start without the disk of the index, or without any, is refused', async () => {
  let store = await open(['a', 'b'], { indexDir: undefined })
  await store.close()
  opened = undefined
  renameSync(at('a'), at('elsewhere'))
  await expect(open(['a', 'b'], { indexDir: undefined })).rejects.toThrow(/has the index/)
  rmSync(at('mountpaths.json'))
  store = await open(['b', 'c'])
  await store.close()
  opened = undefined
  rmSync(at('b'), { recursive: true })
  rmSync(at('c'), { recursive: true })
  await expect(open(['b', 'c'])).rejects.toThrow(/no mountpath can be used/)
})

test('a table that cannot be read, or is of a newer format, stops the start', async () => {
  const store = await open(['a', 'b'])
  await store.close()
  opened = undefined
  const table: object = JSON.parse(readFileSync(at('mountpaths.json'), 'utf8'))
  writeFileSync(at('mountpaths.json'), JSON.stringify({ ...table, format: 2 }))
  await expect(open(['a', 'b'])).rejects.toMatchObject({ code: 'format-newer' })
  writeFileSync(at('mountpaths.json'), '{"format":1')
  await expect(open(['a', 'b'])).rejects.toMatchObject({ code: 'setting-invalid' })
})
