import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { ObjectRecord } from './contract.ts'
import { openIndexDatabases } from './index-db.ts'
import { encodeRecord } from './record-codec.ts'
import { RecordIndex } from './record-index.ts'

let directory: string
let index: RecordIndex
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forebay-index-'))
  index = new RecordIndex({
    databases: openIndexDatabases(directory),
    journals: new Map(),
    suspectBelow: () => 0,
    sequence: () => 1,
  })
})
afterEach(async () => {
  await index.close()
  rmSync(directory, { recursive: true })
})

const name = { bucketId: 1, key: 'a' }
const record: ObjectRecord = {
  ...name,
  stamp: { mapVersion: 1, counter: 1 },
  ownedSince: 1,
  attributes: {
    sizeBytes: 1,
    etag: 'e',
    lastModifiedMs: 1,
    headers: {},
    metadata: {},
    checksums: [],
  },
  location: { mountpath: 1, path: 'p', inode: 1 },
  contentXxh64: undefined,
  pin: { kind: 'none' },
  validatedMs: 1,
}
const facts = { sequence: 1, validSequence: 1, synced: false, allocatedBytes: 4096 }
const bytes = encodeRecord(record, facts)

test('an entry that was looked for in vain is there once it is written, and gone once removed', async () => {
  for (let round = 0; round < 2; round++) {
    expect(index.current(1, 'a')).toBeUndefined()
    expect(index.has(1, 'a')).toBe(false)
    await index.write({ ...name, entry: { record, bytes }, applies: [] })
    expect(index.current(1, 'a')).toEqual(record)
    await index.settled()
    index.clearCache()
    expect(index.current(1, 'a')).toMatchObject(record)
    expect(index.bytes(name)).toEqual(bytes)
    expect(index.bucketTally(1)).toEqual({ objects: 1, bytes: 4096 })
    await index.write({ ...name, entry: undefined, applies: [] })
    expect(index.has(1, 'a')).toBe(false)
    await index.settled()
  }
  expect(index.bucketTally(1)).toEqual({ objects: 0, bytes: 0 })
})

test('a mark of a key is no entry of it', async () => {
  await index.write({ ...name, entry: 'keep', unsettled: 5, applies: [] })
  expect(index.has(1, 'a')).toBe(false)
  await index.write({ ...name, entry: { record, bytes }, unsettled: 'settle', applies: [] })
  expect(index.has(1, 'a')).toBe(true)
  await index.settled()
  expect(index.has(1, 'a')).toBe(true)
})

test('more names are looked for in vain than are remembered, and all are found when written', async () => {
  const keys = Array.from({ length: 5000 }, (_, at) => `key-${at}`)
  for (const key of keys) expect(index.has(1, key)).toBe(false)
  for (const key of [keys[0] ?? '', keys[4999] ?? '']) {
    await index.write({
      bucketId: 1,
      key,
      entry: { record: { ...record, key }, bytes },
      applies: [],
    })
  }
  await index.settled()
  index.clearCache()
  expect(keys.filter((key) => index.has(1, key))).toEqual(['key-0', 'key-4999'])
})

test('who waits for the file waits for what was asked before, not for what others go on asking', async () => {
  let going = true
  let count = 0
  const others = (async () => {
    while (going) {
      count += 1
      await index.write({ bucketId: 2, key: `${count}`, entry: { record, bytes }, applies: [] })
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  await index.write({ ...name, entry: { record, bytes }, applies: [] })
  await index.settled()
  expect(index.pendingIn({ bucketId: 1, prefix: '' })).toEqual([])
  await index.persistPositions()
  going = false
  await others
  await index.settled()
  expect(index.pendingIn({ bucketId: 2, prefix: '' })).toEqual([])
})
