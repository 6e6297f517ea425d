import {
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { ObjectRecord } from './contract.ts'
import { checkStore } from './fsck.ts'
import type { LocalObjectStore } from './local-store.ts'
import { OWN } from './mountpath.ts'
import { packPlaceOf } from './pack-place.ts'
import { PACKED_BYTES_MAX } from './packs.ts'
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

async function start(): Promise<void> {
  opened = await openTestStore([join(root, 'mp')])
  store = opened.store
}

const remove = (key: string) => store.remove(CACHED.id, key, { ...LAZY, why: 'evict' })
const packs = (): readonly string[] => readdirSync(join(root, 'mp', OWN.packs)).toSorted()
const bytesOf = (size: number, fill: number): Buffer => Buffer.alloc(size, fill)
const text = (key: string) => read(store, CACHED.id, key)

/** Of all packs together. */
function allocatedBytes(): number {
  return packs().reduce(
    (sum, name) => sum + lstatSync(join(root, 'mp', OWN.packs, name)).blocks * 512,
    0,
  )
}

function placeOf({ location }: ObjectRecord) {
  const place = packPlaceOf(location.path)
  if (place === undefined) throw new Error(`${location.path} is no place in a pack`)
  return { ...place, path: join(root, 'mp', place.file) }
}

function overwrite(record: ObjectRecord, bytes: Buffer): void {
  const { path, offset } = placeOf(record)
  const fd = openSync(path, 'r+')
  writeSync(fd, bytes, 0, bytes.length, offset)
  closeSync(fd)
}

test('small objects share a file, each with whole blocks to itself', async () => {
  const sizes = [1, 4095, 4096, 4097, 30_000, PACKED_BYTES_MAX]
  const records = await Promise.all(
    sizes.map((size, at) => putSmall(store, `k${at}`, bytesOf(size, 97 + at))),
  )
  expect(packs()).toHaveLength(1)
  for (const [at, size] of sizes.entries()) {
    expect(text(`k${at}`)).toBe(String.fromCharCode(97 + at).repeat(size))
  }
  const places = records.map(placeOf).toSorted((a, b) => a.offset - b.offset)
  for (const [at, { offset, allocatedBytes: bytes }] of places.entries()) {
    expect(offset % 4096).toBe(0)
    expect(places[at + 1]?.offset ?? Number.POSITIVE_INFINITY).toBeGreaterThanOrEqual(
      offset + bytes,
    )
  }
  expect(store.totals().usedBytes).toBe(
    places.reduce((sum, place) => sum + place.allocatedBytes, 0),
  )
})

test('a larger object has a file of its own', async () => {
  const record = await putSmall(store, 'k', bytesOf(PACKED_BYTES_MAX + 1, 97))
  expect(packPlaceOf(record.location.path)).toBeUndefined()
  expect(text('k')).toHaveLength(PACKED_BYTES_MAX + 1)
})

test('an object that goes leaves a hole, and its neighbours alone', async () => {
  for (const [at, key] of ['a', 'b', 'c'].entries()) {
    await putSmall(store, key, bytesOf(8192, 97 + at))
  }
  const before = allocatedBytes()
  expect(await remove('b')).toBe(true)
  expect(before - allocatedBytes()).toBe(8192)
  expect([text('a'), text('b'), text('c')]).toEqual(['a'.repeat(8192), undefined, 'c'.repeat(8192)])
})

test('a reader has the bytes to the end, whatever becomes of the object', async () => {
  await putSmall(store, 'other', bytesOf(4096, 120))
  const record = await putSmall(store, 'k', bytesOf(8192, 97))
  const first = store.open(record)
  const second = store.open(record)
  const before = allocatedBytes()
  await remove('k')
  const bytes = Buffer.alloc(8192)
  readSync(first?.fd ?? -1, bytes, 0, 8192, first?.offset ?? 0)
  expect(bytes.equals(bytesOf(8192, 97))).toBe(true)
  first?.release()
  first?.release()
  readSync(second?.fd ?? -1, bytes, 0, 8192, second?.offset ?? 0)
  expect(bytes.equals(bytesOf(8192, 97))).toBe(true)
  expect(allocatedBytes()).toBe(before)
  second?.release()
  await eventually(() => expect(allocatedBytes()).toBe(before - 8192))
})

test('who looked a record up before it went gets nothing, and never a hole', async () => {
  await putSmall(store, 'other', bytesOf(4096, 120))
  const replaced = await putSmall(store, 'k', bytesOf(4096, 97))
  await putSmall(store, 'k', bytesOf(4096, 98))
  expect(store.open(replaced)).toBeUndefined()
  const removed = store.get(CACHED.id, 'k')
  if (removed === undefined) throw new Error('the object is not there')
  await remove('k')
  expect(store.open(removed)).toBeUndefined()
})

test('what cannot be written down as removed keeps its bytes', async () => {
  await putSmall(store, 'other', bytesOf(4096, 120))
  await putSmall(store, 'k', bytesOf(4096, 97))
  armFailpoints('journal:write=throw@1')
  await expect(remove('k')).rejects.toMatchObject({ code: 'disk-error' })
  expect(text('k')).toBe('a'.repeat(4096))
})

test('a replaced version leaves a hole, be the next one in a pack or a file', async () => {
  await putSmall(store, 'other', bytesOf(4096, 120))
  await putSmall(store, 'k', bytesOf(4096, 97))
  const before = allocatedBytes()
  await putSmall(store, 'k', bytesOf(4096, 98))
  await eventually(() => expect(allocatedBytes()).toBe(before))
  await put(store, { bucket: CACHED, key: 'k', text: 'in a file' }, LAZY)
  await eventually(() => expect(allocatedBytes()).toBe(before - 4096))
  expect(text('k')).toBe('in a file')
  await putSmall(store, 'k', bytesOf(4096, 99))
  expect(text('k')).toBe('c'.repeat(4096))
  expect(await checkStoreAfterClose()).toEqual([])
})

async function checkStoreAfterClose(): Promise<readonly unknown[]> {
  await store.close()
  const { findings } = await checkStore({
    mountpaths: [{ path: join(root, 'mp') }],
    verify: true,
  })
  await start()
  return findings
}

test('what was stored and is not committed is given back', async () => {
  await putSmall(store, 'other', bytesOf(4096, 120))
  const before = allocatedBytes()
  const room = await store.holdRoom(CACHED, 'k', 8192)
  const work = await room.store(bytesOf(8192, 97))
  expect(allocatedBytes()).toBe(before + 8192)
  work.discard()
  work.discard()
  room.release()
  await eventually(() => {
    expect(allocatedBytes()).toBe(before)
    expect(store.totals().reservedBytes).toBe(0)
  })
})

test('a pack goes with its last object when nothing is written to it any more', async () => {
  await putSmall(store, 'a', bytesOf(4096, 97))
  await putSmall(store, 'b', bytesOf(4096, 98))
  await store.close()
  await start()
  await putSmall(store, 'c', bytesOf(4096, 99))
  expect(packs()).toHaveLength(2)
  await eventually(async () => {
    // The objects of the process before are counted behind the start.
    for (const key of ['a', 'b']) await remove(key)
    expect(packs()).toHaveLength(1)
  })
  expect(text('c')).toBe('c'.repeat(4096))
})

test('what a crash left in a pack without a record is given back at the next start', async () => {
  await putSmall(store, 'a', bytesOf(4096, 97))
  const lost = await putSmall(store, 'lost', bytesOf(16_384, 98))
  await putSmall(store, 'c', bytesOf(4096, 99))
  const before = allocatedBytes()
  // As a process that died between the tombstone and the hole.
  const bytes = bytesOf(16_384, 98)
  await remove('lost')
  await store.close()
  overwrite(lost, bytes)
  writeFileSync(join(root, 'mp', OWN.packs, 'dead-1'), bytes)
  expect(allocatedBytes()).toBe(before + 16_384)
  await start()
  await eventually(() => expect(allocatedBytes()).toBe(before - 16_384))
  expect(packs()).toHaveLength(1)
  expect([text('a'), text('c')]).toEqual(['a'.repeat(4096), 'c'.repeat(4096)])
})

test('a journalled object whose place has other bytes never happened', async () => {
  await putSmall(store, 'old', bytesOf(4096, 97))
  await store.context.index.settled()
  const record = await putSmall(store, 'k', bytesOf(4096, 98))
  await store.close()
  overwrite(record, bytesOf(4096, 0))
  rmSync(join(root, 'mp', '.forebay', 'index'), { recursive: true })
  await start()
  expect(opened.events.map(({ event }) => event)).toContain('record-voided')
  expect(text('k')).toBeUndefined()
  expect(text('old')).toBe('a'.repeat(4096))
})

test('records in packs come back when the index is built again', async () => {
  for (let at = 0; at < 50; at++) await putSmall(store, `k${at}`, bytesOf(100 + at * 200, 97))
  await remove('k7')
  await store.close()
  rmSync(join(root, 'mp', '.forebay', 'index'), { recursive: true })
  await start()
  for (let at = 0; at < 50; at++) {
    expect(text(`k${at}`)).toBe(at === 7 ? undefined : 'a'.repeat(100 + at * 200))
  }
})

test.each([
  ['is gone', (path: string) => rmSync(path)],
  [
    'is another file',
    (path: string) => writeFileSync(`${path}`, readFileSync(path).subarray(0, 100)),
  ],
])('a pack that %s has no object', async (_, spoil) => {
  const record = await putSmall(store, 'k', bytesOf(4096, 97))
  await store.close()
  spoil(placeOf(record).path)
  await start()
  expect(text('k')).toBe('corrupt')
  await putSmall(store, 'k', bytesOf(4096, 98))
  expect(text('k')).toBe('b'.repeat(4096))
})

test('a check finds what is damaged in a pack', async () => {
  const record = await putSmall(store, 'k', bytesOf(4096, 97))
  await putSmall(store, 'good', bytesOf(4096, 98))
  overwrite(record, bytesOf(10, 0))
  expect(await checkStoreAfterClose()).toMatchObject([{ kind: 'wrong-checksum', key: 'k' }])
})

test('a write that fails is told, leaves nothing, and the next ones go elsewhere', async () => {
  await putSmall(store, 'a', bytesOf(4096, 97))
  armFailpoints('pack:written=throw@1')
  await expect(putSmall(store, 'b', bytesOf(4096, 98))).rejects.toMatchObject({
    code: 'disk-error',
  })
  armFailpoints('')
  await putSmall(store, 'c', bytesOf(4096, 99))
  expect([text('a'), text('b'), text('c')]).toEqual(['a'.repeat(4096), undefined, 'c'.repeat(4096)])
  await eventually(() => {
    expect(allocatedBytes()).toBe(8192)
    expect(store.totals().reservedBytes).toBe(0)
  })
})

test('a destroyed bucket leaves nothing in packs', async () => {
  for (let at = 0; at < 20; at++) await putSmall(store, `k${at}`, bytesOf(4096, 97))
  await store.dropBucket(CACHED)
  expect(allocatedBytes()).toBe(0)
})

test('after the end nothing is stored', async () => {
  const room = await store.holdRoom(CACHED, 'k', 1)
  await store.close()
  await expect(room.store(bytesOf(1, 1))).rejects.toMatchObject({ code: 'unavailable' })
  await start()
})

test('many packs are open no longer than they are needed', async () => {
  const record = await putSmall(store, 'k', bytesOf(4096, 97))
  const [drive] = store.context.drives
  await store.close()
  await start()
  const lease = store.open(record)
  expect(store.context.drives[0]?.packs.shed()).toBe(false)
  lease?.release()
  expect(store.context.drives[0]?.packs.shed()).toBe(true)
  expect(text('k')).toBe('a'.repeat(4096))
  expect(drive).toBeDefined()
})

test("a record of the size that is not the object's is refused", async () => {
  const room = await store.holdRoom(CACHED, 'k', 10)
  const work = await room.store(bytesOf(10, 1))
  const commit = store.commit({ bucket: CACHED, key: 'k', work }, recordOf(11), LAZY)
  await expect(commit).rejects.toMatchObject({ code: 'internal' })
  work.discard()
})
