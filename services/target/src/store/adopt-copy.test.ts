import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  linkSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { armFailpoints } from '@forebay/base/failpoint'
import { afterEach, expect, test } from 'vitest'
import { checkStore } from './fsck.ts'
import { read } from './testing/read-back.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  temporaryDirectory,
  writeBlock,
} from './testing/store-fixture.ts'

const KEYS = Array.from({ length: 20 }, (_, at) => `dir/${at}`)

afterEach(() => armFailpoints(''))

/** A copy of the directory of a stopped store: same names, same bytes, other inodes. */
async function copied(): Promise<string> {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: `old ${key}` })
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: key })
  await store.remove(7, 'dir/0', { sync: true, settle: false, why: 'delete' })
  await put(store, { bucket: CACHED, key: 'k', text: 'cached' }, LAZY)
  await writeBlock(store, await putPartial(store, 'partial', 10_000), { at: 1, fill: 66 })
  await store.close()
  const copy = copyOf(root)
  const name = join('ais/@/native.7', 'dir/1')
  expect(statSync(join(copy, name)).ino).not.toBe(statSync(join(root, name)).ino)
  return copy
}

function copyOf(root: string): string {
  const copy = join(temporaryDirectory(), 'copy')
  execFileSync('cp', ['-r', root, copy])
  return copy
}

function changeState(root: string, changes: object): void {
  const path = join(root, '.forebay/state.json')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), ...changes }))
}

function expectEverything(store: Parameters<typeof read>[0]): void {
  expect(read(store, 7, 'dir/0')).toBeUndefined()
  for (const key of KEYS.slice(1)) expect(read(store, 7, key)).toBe(key)
  expect(read(store, 8, 'k')).toBe('cached')
  const partial = store.get(8, 'partial')
  const work = partial && store.openPartial(partial)
  expect(partial?.blocks?.crcs[1]).toBeGreaterThan(0)
  expect(work).toBeDefined()
  work?.discard()
}

test('a copy of a stopped store has everything, at the next start too, and when its index is lost', async () => {
  const root = await copied()
  const first = await openTestStore([root])
  expect(first.events.map(({ event }) => event)).toContain('copy-adopted')
  expectEverything(first.store)
  await first.store.close()
  const second = await openTestStore([root])
  expect(second.events.map(({ event }) => event)).not.toContain('copy-adopted')
  expectEverything(second.store)
  await second.store.close()
  rmSync(join(root, '.forebay/index'), { recursive: true })
  const third = await openTestStore([root])
  expectEverything(third.store)
  await third.store.close()
})

test('a file of a copy that is not whole is not taken for the object', async () => {
  const root = await copied()
  truncateSync(join(root, 'ais/@/native.7/dir/3'), 2)
  const { store } = await openTestStore([root])
  expect(read(store, 7, 'dir/3')).toBe('corrupt')
  expect(read(store, 7, 'dir/4')).toBe('dir/4')
  await store.close()
})

test('files that were swapped are damage, not a copy', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  for (const key of ['a', 'b']) await put(first.store, { bucket: NATIVE, key, text: key })
  await first.store.close()
  const [a, b] = ['a', 'b'].map((key) => join(root, 'ais/@/native.7', key))
  if (a === undefined || b === undefined) throw new Error('no path')
  renameSync(a, `${a}.moved`)
  renameSync(b, a)
  renameSync(`${a}.moved`, b)
  const { store, events } = await openTestStore([root])
  expect(events.map(({ event }) => event)).not.toContain('copy-adopted')
  expect(read(store, 7, 'a')).toBe('corrupt')
  await store.close()
})

test('the index of a copy may be built again', async () => {
  const root = await copied()
  const report = await checkStore({ mountpaths: [{ path: root }], rebuild: true, verify: true })
  expect(report.findings).toEqual([])
  expect(report.recordCount).toBe(KEYS.length - 1 + 2)
})

test('a copy of a store in use is refused, and nothing in it changes', async () => {
  const root = await copied()
  const path = join(root, '.forebay/state.json')
  const state = readFileSync(path, 'utf8')
  writeFileSync(path, JSON.stringify({ ...JSON.parse(state), clean: false }))
  const refused = { code: 'setting-invalid', message: /copies, taken while a node was using them/ }
  await expect(openTestStore([root])).rejects.toMatchObject({ code: refused.code })
  await expect(openTestStore([root])).rejects.toThrow(refused.message)
  writeFileSync(path, state)
  const { store } = await openTestStore([root])
  expectEverything(store)
  await store.close()
})

test('a copy without its index is refused: the journals name files that are not there', async () => {
  const root = await copied()
  rmSync(join(root, '.forebay/index'), { recursive: true })
  await expect(openTestStore([root])).rejects.toThrow(/copies, and their index is missing/)
  expect(readFileSync(join(root, 'ais/@/native.7/dir/1')).toString()).toBe('dir/1')
})

test('a crash does not make a copy, though an object stands where the index has a directory', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  for (const key of ['a/b', 'kept']) await put(store, { bucket: NATIVE, key, text: 'x' })
  await store.close()
  // As after a kill, when the last moments are in the journal and not yet in the index.
  rmSync(join(root, 'ais/@/native.7/a'), { recursive: true })
  writeFileSync(join(root, 'ais/@/native.7/a'), 'x')
  changeState(root, { clean: false })
  const second = await openTestStore([root])
  expect(second.events.map(({ event }) => event)).not.toContain('copy-adopted')
  expect(read(second.store, 7, 'kept')).toBe('x')
  await second.store.close()
  // With a marker that somebody restored as well.
  const marker = join(root, '.forebay/marker.json')
  writeFileSync(`${marker}.restored`, readFileSync(marker))
  renameSync(`${marker}.restored`, marker)
  changeState(root, { clean: false })
  const third = await openTestStore([root])
  expect(read(third.store, 7, 'kept')).toBe('x')
  await third.store.close()
})

test('a copy is one though its marker and some files have their old inodes, as happens on a new disk', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  for (const key of KEYS) await put(store, { bucket: NATIVE, key, text: key })
  await store.close()
  const copy = copyOf(root)
  for (const name of ['.forebay/marker.json', 'ais/@/native.7/dir/1', 'ais/@/native.7/dir/10']) {
    rmSync(join(copy, name))
    linkSync(join(root, name), join(copy, name))
  }
  const { store: adopted, events } = await openTestStore([copy])
  expect(events.map(({ event }) => event)).toContain('copy-adopted')
  for (const key of KEYS) expect(read(adopted, 7, key)).toBe(key)
  await adopted.close()
})

test('a marker that only got other rights does not make a copy', async () => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  await put(store, { bucket: NATIVE, key: 'k', text: 'x' })
  await store.close()
  chmodSync(join(root, '.forebay/marker.json'), 0o640)
  const second = await openTestStore([root])
  expect(second.events).toEqual([])
  await second.store.close()
})

test.each([
  'adopt:page',
  'adopt:indexed',
  'compact:rotated',
  'compact:written',
  'compact:published',
])('a copy that was being taken over at %s is taken over by the next start', async (point) => {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  // More than one page of the index.
  const keys = Array.from({ length: 600 }, (_, at) => `${at}`)
  await Promise.all(keys.map((key) => put(store, { bucket: NATIVE, key, text: `of ${key}` }, LAZY)))
  await store.close()
  const copy = copyOf(root)
  armFailpoints(`${point}=throw@1`)
  await expect(openTestStore([copy])).rejects.toThrow(point)
  armFailpoints('')
  const next = await openTestStore([copy])
  expect(next.events.map(({ event }) => event)).toContain('copy-adopted')
  for (const key of keys) expect(read(next.store, 7, key)).toBe(`of ${key}`)
  await next.store.close()
  rmSync(join(copy, '.forebay/index'), { recursive: true })
  const rebuilt = await openTestStore([copy])
  for (const key of keys) expect(read(rebuilt.store, 7, key)).toBe(`of ${key}`)
  await rebuilt.store.close()
})

test('a copy whose index lacks the last writes has them from its journal', async () => {
  const root = temporaryDirectory()
  const index = join(root, '.forebay/index')
  const saved = join(temporaryDirectory(), 'index')
  const first = await openTestStore([root])
  for (const key of ['a', 'b']) await put(first.store, { bucket: NATIVE, key, text: 'old' })
  await first.store.close()
  cpSync(index, saved, { recursive: true })
  const second = await openTestStore([root])
  await put(second.store, { bucket: NATIVE, key: 'a', text: 'new' })
  await put(second.store, { bucket: NATIVE, key: 'c', text: 'third' })
  await second.store.remove(7, 'b', { sync: true, settle: false, why: 'delete' })
  await second.store.close()
  rmSync(index, { recursive: true })
  cpSync(saved, index, { recursive: true })
  const { store } = await openTestStore([copyOf(root)])
  expect(read(store, 7, 'a')).toBe('new')
  expect(read(store, 7, 'b')).toBeUndefined()
  expect(read(store, 7, 'c')).toBe('third')
  await store.close()
})

test('files from before what the index knows are refused, however often it is tried', async () => {
  const root = temporaryDirectory()
  const indexDir = temporaryDirectory()
  const first = await openTestStore([root], { indexDir })
  await put(first.store, { bucket: NATIVE, key: 'k', text: 'old' })
  await first.store.close()
  const backup = copyOf(root)
  const second = await openTestStore([root], { indexDir })
  await put(second.store, { bucket: NATIVE, key: 'k', text: 'new' })
  await second.store.close()
  for (let attempt = 1; attempt <= 4; attempt++) {
    await expect(openTestStore([backup], { indexDir })).rejects.toThrow(
      /before what the index knows/,
    )
  }
  const { store } = await openTestStore([root], { indexDir })
  expect(read(store, 7, 'k')).toBe('new')
  await store.close()
})
