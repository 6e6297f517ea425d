import {
  cpSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { BLOCK_BYTES, BlockSet } from './block-set.ts'
import type { FileLease, ObjectRecord } from './contract.ts'
import type { LocalObjectStore } from './local-store.ts'
import { OWN } from './mountpath.ts'
import { packPlaceOf } from './pack-place.ts'
import { PackReaders } from './pack-readers.ts'
import { type InPack, Packs } from './packs.ts'
import { read } from './testing/read-back.ts'
import {
  CACHED,
  LAZY,
  openTestStore,
  put,
  putSmall,
  recordOf,
  temporaryDirectory,
} from './testing/store-fixture.ts'

/** Longer than a busy machine takes. */
const PATIENT = { timeout: 10_000 }
const eventually = <T>(look: () => T | Promise<T>): Promise<T> => vi.waitFor(look, PATIENT)

let root: string
let opened: Awaited<ReturnType<typeof openTestStore>>
let store: LocalObjectStore

beforeEach(async () => {
  root = temporaryDirectory()
  await start()
})
afterEach(async () => {
  armFailpoints('')
  await store.close()
  rmSync(root, { recursive: true, force: true })
})

/** The mountpath `b` can leave: the index lies apart. */
async function start(): Promise<void> {
  opened = await openTestStore([join(root, 'a'), join(root, 'b')], {
    indexDir: join(root, 'index'),
    mountpathTable: join(root, 'mountpaths.json'),
  })
  store = opened.store
}

const remove = (key: string) => store.remove(CACHED.id, key, { ...LAZY, why: 'evict' })
const text = (key: string) => read(store, CACHED.id, key)
const bytesOf = (size: number, fill: string): Buffer => Buffer.alloc(size, fill)
const driveAt = (name: string) => {
  const drive = store.context.drives.find(({ mountpath }) => mountpath.root === join(root, name))
  if (drive === undefined) throw new Error(`no mountpath ${name}`)
  return drive
}
const packsOf = (name: string): readonly string[] => readdirSync(join(root, name, OWN.packs))
const corruptCount = (): number =>
  opened.events.filter(({ event }) => event === 'record-corrupt').length

function allocatedBytes(name: string): number {
  const directory = join(root, name, OWN.packs)
  const sizes = readdirSync(directory).map((pack) => lstatSync(join(directory, pack)).blocks * 512)
  return sizes.reduce((sum, bytes) => sum + bytes, 0)
}

/** Small objects on `b`, one block each, in one pack. */
async function fillB(count: number): Promise<readonly ObjectRecord[]> {
  const onB: ObjectRecord[] = []
  for (let at = 0; onB.length < count; at++) {
    const record = await putSmall(store, `k${at}`, bytesOf(4096, String.fromCharCode(97 + at)))
    if (record.location.mountpath === driveAt('b').mountpath.number) onB.push(record)
  }
  expect(packsOf('b')).toHaveLength(1)
  return onB
}

function fillOf({ key }: ObjectRecord): string {
  return String.fromCharCode(97 + Number(key.slice(1))).repeat(4096)
}

function readLease(lease: FileLease | undefined): string {
  if (lease === undefined) return 'no lease'
  const bytes = Buffer.alloc(4096)
  readSync(lease.fd, bytes, 0, bytes.length, lease.offset)
  return bytes.toString()
}

function only<T>(items: readonly T[]): readonly [T, T] {
  const [one, other] = items
  if (one === undefined || other === undefined) throw new Error('two were expected')
  return [one, other]
}

test('what was removed while its mountpath came back leaves the others of its pack alone', async () => {
  const [goes, stays] = only(await fillB(2))
  await store.mountpaths.fault(driveAt('b'), 'it does not answer')
  armFailpoints('return:judged=delay:100')
  const returned = eventually(() => store.mountpaths.enable(join(root, 'b')))
  await eventually(() => expect(failpointPassed('return:judged')).toBe(1))
  expect(await remove(goes.key)).toBe(true)
  await returned
  expect(text(stays.key)).toBe(fillOf(stays))
  expect(text(goes.key)).toBeUndefined()
  expect(packsOf('b')).toHaveLength(1)
  expect(corruptCount()).toBe(0)
})

test('who reads from a mountpath that left and came back reads on, whatever is removed then', async () => {
  const [read1, stays] = only(await fillB(2))
  const lease = store.open(read1)
  await store.mountpaths.fault(driveAt('b'), 'it does not answer')
  await eventually(() => store.mountpaths.enable(join(root, 'b')))
  const before = allocatedBytes('b')
  expect(await remove(read1.key)).toBe(true)
  expect(readLease(lease)).toBe(fillOf(read1))
  expect(allocatedBytes('b')).toBe(before)
  lease?.release()
  await eventually(() => expect(allocatedBytes('b')).toBe(before - 4096))
  expect(text(stays.key)).toBe(fillOf(stays))
})

test('who reads what was removed while its mountpath was away reads on when that comes back', async () => {
  const [read1, stays] = only(await fillB(2))
  const lease = store.open(read1)
  await store.mountpaths.fault(driveAt('b'), 'it does not answer')
  expect(await remove(read1.key)).toBe(true)
  await eventually(() => store.mountpaths.enable(join(root, 'b')))
  expect(readLease(lease)).toBe(fillOf(read1))
  lease?.release()
  await eventually(() => expect(allocatedBytes('b')).toBe(4096))
  expect(text(stays.key)).toBe(fillOf(stays))
})

test('empty objects have files of their own, and none can be taken for another', async () => {
  const records = await Promise.all(
    ['e1', 'e2'].map((key) => putSmall(store, key, Buffer.alloc(0))),
  )
  for (const { location } of records) expect(packPlaceOf(location.path)).toBeUndefined()
  await remove('e1')
  expect([text('e1'), text('e2')]).toEqual([undefined, ''])
})

test('the room of a commit that fails is taken until its blocks are the file system’s again', async () => {
  const room = await store.holdRoom(CACHED, 'k', 4096)
  const work = await room.store(bytesOf(4096, 'k'))
  armFailpoints('commit:journalled=throw@1;pack:freed=delay:50')
  const commit = store.commit({ bucket: CACHED, key: 'k', work }, recordOf(4096), LAZY)
  await expect(commit).rejects.toMatchObject({ code: 'disk-error' })
  work.discard()
  room.release()
  expect(store.totals().reservedBytes).toBe(4096)
  await eventually(() => expect(store.totals().reservedBytes).toBe(0))
  expect(allocatedBytes('a') + allocatedBytes('b')).toBe(0)
})

test('a small object that is overwritten is never a hole while it is the current one', async () => {
  const before = await putSmall(store, 'k', bytesOf(4096, 'old'))
  armFailpoints('pack:freed=delay:100')
  let isWritten = false
  const writing = put(store, { bucket: CACHED, key: 'k', text: 'new' }, LAZY).finally(() => {
    isWritten = true
  })
  let looked = 0
  while (!isWritten) {
    if (store.get(CACHED.id, 'k')?.stamp.counter === before.stamp.counter) {
      expect(text('k')).toBe(String(bytesOf(4096, 'old')))
      looked += 1
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  await writing
  expect(looked).toBeGreaterThan(0)
  expect(text('k')).toBe('new')
  await eventually(() => expect(failpointPassed('pack:freed')).toBe(1))
})

/** Packs of a directory of their own. */
function openPacks(
  options: { readonly openMax?: number; readonly readers?: PackReaders } = {},
): Packs {
  const home = join(root, 'alone')
  mkdirSync(join(home, OWN.packs), { recursive: true })
  const packs: Packs = new Packs({
    root: home,
    device: lstatSync(home).dev,
    unitBytes: BLOCK_BYTES,
    readers: options.readers ?? new PackReaders(),
    shed: () => packs.shed(),
    openMax: options.openMax,
    onTrouble: (path, code) => expect.unreachable(`${path}: ${code}`),
  })
  return packs
}

const addOne = (packs: Packs, fill: string): Promise<InPack> => packs.add(bytesOf(4096, fill))

/** Objects of a block each in one pack of an earlier process. */
async function addBefore(fills: readonly string[]): Promise<readonly InPack[]> {
  const before = openPacks()
  const stored = await Promise.all(fills.map((fill) => addOne(before, fill)))
  await before.close()
  return stored
}

function takenBy(stored: readonly InPack[]): ReadonlyMap<string, BlockSet> {
  const taken = new Map<string, BlockSet>()
  for (const { path } of stored) {
    const place = packPlaceOf(path)
    if (place === undefined) throw new Error(`${path} is no place in a pack`)
    const known = taken.get(place.file) ?? new BlockSet()
    known.add(place)
    taken.set(place.file, known)
  }
  return taken
}

test('a sweep makes no hole under a reader whose object went while the records were asked', async () => {
  const [goes, stays] = only(await addBefore(['a', 'b']))
  const packs = openPacks()
  const lease = packs.lease(goes, 4096)
  await packs.sweep(async () => {
    await packs.free(goes.path)
    return takenBy([stays])
  })
  expect(readLease(lease)).toBe('a'.repeat(4096))
  expect(allocatedBytes('alone')).toBe(8192)
  lease?.release()
  await eventually(() => expect(allocatedBytes('alone')).toBe(4096))
  await packs.close()
})

test('a mountpath that was away when the index was built brings its packs with it', async () => {
  const [goes, stays] = only(await fillB(2))
  await remove(goes.key)
  await store.close()
  rmSync(join(root, 'index'), { recursive: true })
  renameSync(join(root, 'b'), join(root, 'elsewhere'))
  mkdirSync(join(root, 'b'))
  await start()
  expect(text(stays.key)).toBeUndefined()
  rmSync(join(root, 'b'), { recursive: true })
  renameSync(join(root, 'elsewhere'), join(root, 'b'))
  await store.mountpaths.enable(join(root, 'b'))
  expect(text(stays.key)).toBe(fillOf(stays))
  expect(text(goes.key)).toBeUndefined()
  expect(allocatedBytes('b')).toBe(4096)
})

test('packs of a copied mountpath are taken over, and what the copy made of holes is given back', async () => {
  const [goes, stays] = only(await fillB(2))
  await remove(goes.key)
  await store.close()
  for (const name of ['a', 'b']) {
    const [from, to] = [join(root, name), join(root, `${name}-copy`)]
    cpSync(from, to, { recursive: true, preserveTimestamps: true })
    rmSync(from, { recursive: true })
    renameSync(to, from)
  }
  for (const name of packsOf('b')) {
    const path = join(root, 'b', OWN.packs, name)
    writeFileSync(path, readFileSync(path))
  }
  expect(allocatedBytes('b')).toBe(8192)
  await start()
  expect(opened.events.map(({ event }) => event)).toContain('copy-adopted')
  expect(text(stays.key)).toBe(fillOf(stays))
  expect(text(goes.key)).toBeUndefined()
  await eventually(() => expect(allocatedBytes('b')).toBe(4096))
  expect(text(stays.key)).toBe(fillOf(stays))
})

test('an object that is given up twice takes nobody with it', async () => {
  const [goes, stays] = only(await addBefore(['a', 'b']))
  const packs = openPacks()
  await packs.sweep(async () => takenBy([goes, stays]))
  await packs.free(goes.path)
  await packs.free(goes.path)
  const lease = packs.lease(stays, 4096)
  expect(readLease(lease)).toBe('b'.repeat(4096))
  expect(packsOf('alone')).toHaveLength(1)
  lease?.release()
  await packs.free(stays.path)
  expect(packsOf('alone')).toHaveLength(0)
  await packs.close()
})

test('who joins the readers of an object that goes finds it, also as the last one of its pack', async () => {
  const [object] = await addBefore(['a'])
  if (object === undefined) throw new Error('nothing was added')
  const packs = openPacks()
  await packs.sweep(async () => takenBy([object]))
  const first = packs.lease(object, 4096)
  await packs.free(object.path)
  expect(packsOf('alone')).toHaveLength(0)
  const second = packs.lease(object, 4096)
  first?.release()
  expect(readLease(second)).toBe('a'.repeat(4096))
  second?.release()
  expect(packs.lease(object, 4096)).toBeUndefined()
  await packs.close()
})

test('a pack that is read opens also when all that may be open are in use', async () => {
  const stored: InPack[] = []
  for (const fill of ['a', 'b', 'c']) stored.push(...(await addBefore([fill])))
  const packs = openPacks({ openMax: 1 })
  await addOne(packs, 'd')
  const leases = stored.map((place) => packs.lease(place, 4096))
  expect(leases.map(readLease)).toEqual(['a', 'b', 'c'].map((fill) => fill.repeat(4096)))
  for (const lease of leases) lease?.release()
  await packs.close()
})

test('what is shed is closed at once', async () => {
  const [object] = await addBefore(['a'])
  const packs = openPacks()
  const lease = object && packs.lease(object, 4096)
  lease?.release()
  expect(packs.shed()).toBe(true)
  expect(() => fstatSync(lease?.fd ?? -1)).toThrow('EBADF')
  await packs.close()
})
