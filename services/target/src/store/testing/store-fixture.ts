import { Buffer } from 'node:buffer'
import { mkdtempSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { crc32c } from '@forebay/base/digest'
import { hashBuffer } from '@forebay/base/hash/digester'
import { KeyedLock } from '@forebay/base/keyed-lock'
import type { BucketRecord } from '@forebay/model/bucket'
import type { BlockTable, CommitOptions, NewRecord, ObjectRecord, Stored } from '../contract.ts'
import type { LocalObjectStore } from '../local-store.ts'
import { openStore, type StoreOptions } from '../open-store.ts'

/** What tests of the store share: buckets, a store on temporary mountpaths, short ways to put and read. */
const NAMESPACE = { uuid: '', name: '' }

export const NATIVE: BucketRecord = {
  id: 7,
  ref: { provider: 'ais', namespace: NAMESPACE, name: 'native' },
  aliases: [],
  createdMs: 0,
  properties: {},
}

export const CACHED: BucketRecord = {
  id: 8,
  ref: { provider: 'aws', namespace: NAMESPACE, name: 'cached' },
  aliases: [],
  createdMs: 0,
  backend: { provider: 'memory', bucket: 'cached' },
  properties: {},
}

export const SYNC: CommitOptions = { sync: true, settle: false }
export const LAZY: CommitOptions = { sync: false, settle: false }

export interface SeenEvent {
  readonly event: string
  readonly facts: Readonly<Record<string, unknown>>
}

export interface Opened {
  readonly store: LocalObjectStore
  readonly events: readonly SeenEvent[]
  readonly locks: KeyedLock
}

export function temporaryDirectory(): string {
  return mkdtempSync(join(tmpdir(), 'forebay-store-'))
}

export async function openTestStore(
  paths: readonly string[],
  overrides: Partial<StoreOptions> = {},
): Promise<Opened> {
  const events: SeenEvent[] = []
  const locks = new KeyedLock()
  const store = await openStore({
    mountpaths: paths.map((path) => ({ path })),
    clusterId: 'test-cluster',
    clock: systemClock,
    observer: { event: (event, facts) => void events.push({ event, facts }) },
    bucketOf: (id) => [NATIVE, CACHED].find((bucket) => bucket.id === id),
    lockKey: (bucketId, key) => locks.acquire(`${bucketId}/${key}`),
    ...overrides,
  })
  return { store, events, locks }
}

export function recordOf(sizeBytes: number, overrides: Partial<NewRecord> = {}): NewRecord {
  return {
    attributes: {
      sizeBytes,
      etag: `etag-${sizeBytes}`,
      lastModifiedMs: 1_700_000_000_000,
      headers: { contentType: 'text/plain' },
      metadata: { colour: 'blue' },
      checksums: [],
    },
    contentXxh64: undefined,
    pin: { kind: 'none' },
    validatedMs: 1_700_000_000_000,
    ...overrides,
  }
}

/** Stores text under the key. */
export async function put(
  store: LocalObjectStore,
  target: { readonly bucket: BucketRecord; readonly key: string; readonly text: string },
  options: CommitOptions = SYNC,
): Promise<ObjectRecord> {
  const { bucket, key } = target
  const bytes = Buffer.from(target.text)
  const work = await store.createWork(bucket, key, bytes.length)
  try {
    if (bytes.length > 0) writeSync(work.fd, bytes, 0, bytes.length, 0)
    return await store.commit({ bucket, key, work }, recordOf(bytes.length), options)
  } finally {
    work.discard()
  }
}

/** Stores a small object as fills do: in a pack, where there are any. */
export async function putSmall(
  store: LocalObjectStore,
  key: string,
  bytes: Buffer,
): Promise<ObjectRecord> {
  const room = await store.holdRoom(CACHED, key, bytes.length)
  let work: Stored | undefined
  try {
    work = await room.store(bytes)
    const contentXxh64 = hashBuffer('xxh64', bytes)
    const record = recordOf(bytes.length, { contentXxh64 })
    return await store.commit({ bucket: CACHED, key, work }, record, LAZY)
  } finally {
    work?.discard()
    room.release()
  }
}

export const BLOCK_BYTES = 4096

/** Publishes a sparse object without a block. */
export async function putPartial(
  store: LocalObjectStore,
  key: string,
  sizeBytes: number,
): Promise<ObjectRecord> {
  const work = await store.createWork(CACHED, key, 0)
  try {
    const crcs = new Float64Array(Math.ceil(sizeBytes / BLOCK_BYTES)).fill(-1)
    const blocks: BlockTable = { blockBytes: BLOCK_BYTES, crcs }
    return await store.commit({ bucket: CACHED, key, work }, recordOf(sizeBytes, { blocks }), LAZY)
  } finally {
    work.discard()
  }
}

/** Writes one block, all bytes `fill`, and records it. */
export async function writeBlock(
  store: LocalObjectStore,
  record: ObjectRecord,
  block: { readonly at: number; readonly fill: number },
): Promise<ObjectRecord> {
  const work = store.openPartial(record)
  if (work === undefined) throw new Error('the partial file cannot be opened')
  try {
    const offset = block.at * BLOCK_BYTES
    const bytes = Buffer.alloc(
      Math.min(BLOCK_BYTES, record.attributes.sizeBytes - offset),
      block.fill,
    )
    writeSync(work.fd, bytes, 0, bytes.length, offset)
    return await store.recordBlocks(record, new Map([[block.at, crc32c(bytes)]]))
  } finally {
    work.discard()
  }
}
