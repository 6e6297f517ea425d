import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
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
  const copy = join(temporaryDirectory(), 'copy')
  execFileSync('cp', ['-r', root, copy])
  const name = join('ais/@/native.7', 'dir/1')
  expect(statSync(join(copy, name)).ino).not.toBe(statSync(join(root, name)).ino)
  return copy
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
