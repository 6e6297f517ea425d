import { Buffer } from 'node:buffer'
import { appendFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { formatDigest64, xxh64 } from '@forebay/base/digest'
import { expect, test } from 'vitest'
import { checkStore } from './fsck.ts'
import {
  CACHED,
  LAZY,
  NATIVE,
  openTestStore,
  put,
  putPartial,
  recordOf,
  temporaryDirectory,
  writeBlock,
} from './testing/store-fixture.ts'

async function filledStore(): Promise<string> {
  const root = temporaryDirectory()
  const { store } = await openTestStore([root])
  for (const key of ['a', 'b', 'dir/c', 'd']) await put(store, { bucket: NATIVE, key, text: key })
  const text = Buffer.from('checked')
  const work = await store.createWork(CACHED, 'checked', text.length)
  writeFileSync(work.fd, text)
  const contentXxh64 = formatDigest64(xxh64(text))
  const record = recordOf(text.length, { contentXxh64 })
  await store.commit({ bucket: CACHED, key: 'checked', work }, record, LAZY)
  work.discard()
  await writeBlock(store, await putPartial(store, 'partial', 10_000), { at: 1, fill: 1 })
  await store.close()
  return root
}

test('a sound store has no findings, with all bytes read', async () => {
  const root = await filledStore()
  const report = await checkStore({ mountpaths: [{ path: root }], verify: true })
  expect(report).toMatchObject({ recordCount: 6, partialCount: 1, fileCount: 6, findings: [] })
  expect(report.bytesRead).toBe('checked'.length + 4096)
})

test('every kind of damage is found and named', async () => {
  const root = await filledStore()
  const native = join(root, 'ais/@/native.7')
  rmSync(join(native, 'a'))
  appendFileSync(join(native, 'b'), 'x')
  writeFileSync(join(native, 'other'), 'c')
  renameSync(join(native, 'other'), join(native, 'dir/c'))
  writeFileSync(join(native, 'nobody'), 'x')
  writeFileSync(join(root, 'aws/@/cached.8/checked'), 'chucked')
  writeFileSync(join(root, '.forebay/work/left-over'), 'x')
  const report = await checkStore({ mountpaths: [{ path: root }], verify: true })
  const found = report.findings.map(({ kind, path }) => `${kind} ${path.slice(root.length + 1)}`)
  expect(found.sort()).toEqual([
    'missing ais/@/native.7/a',
    'orphan ais/@/native.7/dir/c',
    'orphan ais/@/native.7/nobody',
    'stray-work .forebay/work/left-over',
    'wrong-checksum aws/@/cached.8/checked',
    'wrong-file ais/@/native.7/dir/c',
    'wrong-size ais/@/native.7/b',
  ])
})

test('a rebuild gives the same store', async () => {
  const root = await filledStore()
  const report = await checkStore({ mountpaths: [{ path: root }], rebuild: true, verify: true })
  expect(report).toMatchObject({ recordCount: 6, partialCount: 1, findings: [] })
})

test('a store that is open is refused and keeps its index', async () => {
  const root = await filledStore()
  const { store } = await openTestStore([root])
  const check = checkStore({ mountpaths: [{ path: root }], rebuild: true })
  await expect(check).rejects.toThrow(/in use by another process/)
  expect(store.totals().objectCount).toBe(6)
  await store.close()
  await expect(checkStore({ mountpaths: [{ path: temporaryDirectory() }] })).rejects.toThrow(
    /is not a mountpath/,
  )
})
