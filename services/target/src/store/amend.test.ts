import { rmSync } from 'node:fs'
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
  temporaryDirectory,
} from './testing/store-fixture.ts'

const TAGS = [{ key: 'team', value: 'blue' }]

test('other attributes of the same bytes last over a restart and a rebuild of the index', async () => {
  const root = temporaryDirectory()
  const first = await openTestStore([root])
  // Not synced: the amendment brings the bytes to disk itself.
  const record = await put(first.store, { bucket: NATIVE, key: 'k', text: 'hello' }, LAZY)
  const amended = await first.store.amend(record, { ...record.attributes, tags: TAGS })
  expect(amended).toEqual({ ...record, attributes: { ...record.attributes, tags: TAGS } })
  expect(first.store.get(7, 'k')).toBe(amended)
  expect(first.store.context.index.header({ bucketId: 7, key: 'k' })?.synced).toBe(true)
  await first.store.close()
  const second = await openTestStore([root])
  expect(second.store.get(7, 'k')).toEqual(amended)
  await second.store.close()
  rmSync(join(root, '.forebay/index'), { recursive: true })
  const { store } = await openTestStore([root])
  expect(store.get(7, 'k')).toEqual(amended)
  expect(read(store, 7, 'k')).toBe('hello')
  expect(store.totals()).toMatchObject({ objectCount: 1, usedBytes: 4096 })
  await store.close()
})

test('a version that was replaced meanwhile is not amended', async () => {
  const { store } = await openTestStore([temporaryDirectory()])
  const old = await put(store, { bucket: NATIVE, key: 'k', text: 'old' })
  await put(store, { bucket: NATIVE, key: 'k', text: 'new' })
  await expect(store.amend(old, { ...old.attributes, tags: TAGS })).rejects.toMatchObject({
    code: 'object-busy',
  })
  expect(store.get(7, 'k')?.attributes.tags).toBeUndefined()
  await store.close()
})

test('restated attributes of a copy keep the blocks that came meanwhile', async () => {
  const { store } = await openTestStore([temporaryDirectory()])
  const record = await putPartial(store, 'k', 5000)
  const grown = await store.recordBlocks(record, new Map([[1, 7]]))
  store.restate(record, { ...record.attributes, tagCount: 2 })
  expect(store.get(8, 'k')?.attributes.tagCount).toBe(2)
  expect(store.get(8, 'k')?.blocks).toEqual(grown.blocks)
  expect(store.get(CACHED.id, 'k')?.validatedMs).toBe(record.validatedMs)
  await store.close()
})
