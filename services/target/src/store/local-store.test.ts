import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { read } from './testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  SYNC,
  temporaryDirectory,
  writeBlock,
} from './testing/store-fixture.ts'

test('an object is a plain file whose bytes are the object, under the name of its key', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  const record = await put(store, { bucket: NATIVE, key: 'a/b c/ü.txt', text: 'hello' })
  expect(readFileSync(join(root, 'ais/@/native.7/a/b c/ü.txt'), 'utf8')).toBe('hello')
  expect(store.get(7, 'a/b c/ü.txt')).toEqual(record)
  expect(read(store, 7, 'a/b c/ü.txt')).toBe('hello')
  await store.close()
})

test('a record is the same after the store was closed and opened again', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  const record = await put(first.store, { bucket: NATIVE, key: 'k', text: 'hello' })
  await put(first.store, { bucket: CACHED, key: 'k', text: 'cached' }, LAZY)
  await first.store.close()
  const { store } = await openTestStore([root])
  expect(store.get(7, 'k')).toEqual(record)
  expect(read(store, 8, 'k')).toBe('cached')
  expect(store.totals()).toMatchObject({ objectCount: 2, usedBytes: 8192, reservedBytes: 0 })
  await store.close()
})

test('an overwrite has a larger stamp, and readers of the old version keep its bytes', async () => {
  const { store } = await openTestStore([temporaryDirectory()])
  const old = await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
  const lease = store.open(old)
  const next = await put(store, { bucket: NATIVE, key: 'k', text: 'newer' })
  expect(next.stamp.counter).toBeGreaterThan(old.stamp.counter)
  expect(lease && readFileSync(lease.fd, 'utf8')).toBe('old')
  lease?.release()
  expect(read(store, 7, 'k')).toBe('newer')
  expect(store.open(old)).toBeUndefined()
  expect(store.totals().objectCount).toBe(1)
  await store.close()
})

test('a removed key is gone with its file and its empty directories', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  await put(store, { bucket: NATIVE, key: 'a/b/c', text: 'x' })
  expect(await store.remove(7, 'a/b/c', { ...SYNC, why: 'delete' })).toBe(true)
  expect(await store.remove(7, 'a/b/c', { ...SYNC, why: 'delete' })).toBe(false)
  expect(store.get(7, 'a/b/c')).toBeUndefined()
  expect(existsSync(join(root, 'ais/@/native.7/a'))).toBe(false)
  expect(store.totals()).toMatchObject({ objectCount: 0, usedBytes: 0 })
  await store.close()
})

test('a discarded work file leaves no name and no reservation', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  const work = await store.createWork(NATIVE, 'k', 1000)
  // In the unit of the disk, as it will count.
  expect(store.totals().reservedBytes).toBe(4096)
  work.discard()
  work.discard()
  await store.close()
  expect(readdirSync(join(root, '.forebay/work'))).toEqual([])
  expect(store.totals().reservedBytes).toBe(0)
})

test('a sparse object becomes an ordinary file with its last block', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  const empty = await putPartial(store, 'big', 10_000)
  expect(store.totals().usedBytes).toBe(0)
  const one = await writeBlock(store, empty, { at: 2, fill: 3 })
  const two = await writeBlock(store, one, { at: 0, fill: 1 })
  expect(two.blocks?.crcs[1]).toBe(-1)
  const whole = await writeBlock(store, two, { at: 1, fill: 2 })
  expect(whole.blocks).toBeUndefined()
  expect(whole.stamp).toEqual(empty.stamp)
  const bytes = readFileSync(join(root, 'aws/@/cached.8/big'))
  expect([bytes.length, bytes[0], bytes[4096], bytes[9999]]).toEqual([10_000, 1, 2, 3])
  expect(readdirSync(join(root, '.forebay/partial'))).toEqual([])
  await store.close()
})

test('a key is unsettled from the mark until it is settled, across restarts', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  await first.store.markUnsettled(8, 'k')
  expect(first.store.isUnsettled(8, 'k')).toBe(true)
  await first.store.close()
  const { store } = await openTestStore([root])
  expect(store.isUnsettled(8, 'k')).toBe(true)
  await put(store, { bucket: CACHED, key: 'k', text: 'x' }, { sync: false, settle: true })
  expect(store.isUnsettled(8, 'k')).toBe(false)
  expect(store.totals().unsettledCount).toBe(0)
  await store.close()
})

test('names that file systems refuse are stored all the same, side by side', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  const keys = [
    'a',
    'a/b',
    'a/b/c',
    'd/e',
    'd',
    '..',
    '.',
    'x/../y',
    'x//y',
    '/lead',
    'trail/',
    'trail',
    '.forebay/x',
    '.forebay',
    'n'.repeat(256),
    `${'l'.repeat(255)}/${'l'.repeat(255)}`,
    'ü'.repeat(128),
  ]
  for (const key of keys) await put(first.store, { bucket: NATIVE, key, text: `text of ${key}` })
  await first.store.close()
  const { store } = await openTestStore([root])
  for (const key of keys) expect(read(store, 7, key)).toBe(`text of ${key}`)
  for (const key of keys) await store.remove(7, key, { ...SYNC, why: 'delete' })
  expect(store.totals().objectCount).toBe(0)
  await store.close()
})

test('a bucket is dropped with all its records, marks and files', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  for (let at = 0; at < 1200; at++) {
    await put(store, { bucket: CACHED, key: `k${at}`, text: 'x' }, LAZY)
  }
  await putPartial(store, 'partial', 10_000)
  await put(store, { bucket: NATIVE, key: 'stays', text: 'x' })
  await store.dropBucket(CACHED)
  expect(store.isEmpty(8)).toBe(true)
  expect(store.isEmpty(7)).toBe(false)
  expect(store.totals().objectCount).toBe(1)
  for (const { trash } of store.context.drives) await trash.idle()
  await store.close()
  expect(existsSync(join(root, 'aws/@/cached.8'))).toBe(false)
  expect(readdirSync(join(root, '.forebay/trash'))).toEqual([])
})

test('a store in use refuses a second one', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  await expect(openTestStore([root])).rejects.toThrow(/in use by another process/)
  await store.close()
  await (await openTestStore([root])).store.close()
})

test('an index apart from the mountpaths is taken by one store only', async () => {
  const [one, two, indexDir] = [temporaryDirectory(), temporaryDirectory(), temporaryDirectory()]
  const { store } = await openTestStore([one], { indexDir })
  await put(store, { bucket: NATIVE, key: 'k', text: 'x' })
  await expect(openTestStore([two], { indexDir })).rejects.toThrow(/in use by another process/)
  await store.close()
  const again = await openTestStore([one], { indexDir })
  expect(read(again.store, 7, 'k')).toBe('x')
  await again.store.close()
})

test('a mountpath of another cluster or of a newer format is refused', async () => {
  const root = temporaryDirectory()
  await (await openTestStore([root])).store.close()
  await expect(openTestStore([root], { clusterId: 'other' })).rejects.toThrow(/belongs to cluster/)
})
