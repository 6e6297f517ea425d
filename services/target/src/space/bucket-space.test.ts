import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'
import { cachedBucket, NATIVE, pattern, Rig } from '../objects/testing/rig.ts'
import { LocalObjectStore } from '../store/local-store.ts'
import { TtlSweeper } from './ttl-sweeper.ts'

const UNIT = 4096
const OBJECT_BYTES = 50_000
const ALLOCATED_BYTES = Math.ceil(OBJECT_BYTES / UNIT) * UNIT
const QUOTA_BYTES = 20 * ALLOCATED_BYTES

let rig: Rig

afterEach(() => rig.close())

async function openWith(
  properties: Partial<BucketProperties>,
  objects: number,
): Promise<readonly string[]> {
  rig = await Rig.open(cachedBucket(properties))
  const keys = Array.from({ length: objects }, (_, at) => `k${String(at).padStart(3, '0')}`)
  for (const [at, key] of keys.entries()) rig.remote.put('remote', key, pattern(OBJECT_BYTES, at))
  return keys
}

function storeOf(): LocalObjectStore {
  const { store } = rig.context
  if (store instanceof LocalObjectStore) return store
  throw new Error('the rig has another store')
}

const room = () => storeOf().context.quotas.roomOf(rig.bucket.id)

const kept = (keys: readonly string[]): readonly string[] =>
  keys.filter((key) => rig.context.store.get(rig.bucket.id, key) !== undefined)

async function statusOf(key: string): Promise<string | undefined> {
  await rig.get(key)
  await rig.idle()
  return rig.reads.at(-1)
}

/** Another row of the bucket table, as a change of properties makes one. */
function change(properties: Partial<BucketProperties>): void {
  rig.bucket = cachedBucket({ ...rig.bucket.properties, ...properties })
}

/** Blocks on disk of all objects and work files; what is unlinked meanwhile counts no more. */
function bytesOnDisk(): number {
  let bytes = 0
  const entries = readdirSync(join(rig.directory, 'mp'), { withFileTypes: true, recursive: true })
  for (const entry of entries) {
    if (!entry.isFile() || /\.forebay($|\/(index|journal))/.test(entry.parentPath)) continue
    const stat = lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })
    bytes += (stat?.blocks ?? 0) * 512
  }
  return bytes
}

test('quota: 64 fills at a time never pass it, in what is counted and on the disk', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES }, 192)
  let mostOnDisk = 0
  let mostTaken = 0
  let reading = true
  const watch = (async () => {
    while (reading) {
      const { usedBytes, reservedBytes } = room()
      mostTaken = Math.max(mostTaken, usedBytes + reservedBytes)
      mostOnDisk = Math.max(mostOnDisk, bytesOnDisk())
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  for (let from = 0; from < keys.length; from += 64) {
    const batch = keys.slice(from, from + 64)
    const bodies = await Promise.all(batch.map((key) => rig.get(key)))
    for (const [at, body] of bodies.entries()) {
      expect(body?.equals(pattern(OBJECT_BYTES, from + at))).toBe(true)
    }
  }
  reading = false
  await watch
  expect(mostTaken).toBeLessThanOrEqual(QUOTA_BYTES)
  expect(room().highestBytes).toBeLessThanOrEqual(QUOTA_BYTES)
  expect(room().highestBytes).toBeGreaterThan(QUOTA_BYTES / 2)
  expect(mostOnDisk).toBeLessThanOrEqual(QUOTA_BYTES)
  expect(room().reservedBytes).toBe(0)
})

test('quota: the bucket gives up its own objects, by its policy', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES }, 40)
  for (const key of keys) {
    rig.clock.shiftMs += 1000
    await rig.get(key)
    await rig.idle()
  }
  const left = kept(keys)
  expect(left.length).toBeGreaterThan(15)
  // Least recently used: what stays is what came last.
  expect(left).toEqual(keys.slice(-left.length))
})

test('quota: an object that finds no room is passed through, and nothing stays behind', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES, evictable: false }, 22)
  for (const key of keys) expect((await rig.get(key))?.length).toBe(OBJECT_BYTES)
  await rig.idle()
  expect(kept(keys)).toEqual(keys.slice(0, 20))
  expect(rig.reads.slice(-2)).toEqual(['bypass', 'bypass'])
  expect(room()).toMatchObject({ usedBytes: QUOTA_BYTES, reservedBytes: 0 })
})

test('quota: an object larger than it makes nothing go', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES }, 5)
  for (const key of keys) await statusOf(key)
  rig.remote.put('remote', 'large', pattern(QUOTA_BYTES + 1))
  expect(await statusOf('large')).toBe('bypass')
  expect(kept(keys)).toEqual(keys)
})

test('quota: a write to a backend succeeds without room, and is not kept', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES, evictable: false }, 20)
  for (const key of keys) await statusOf(key)
  await rig.put('written', pattern(OBJECT_BYTES, 500))
  expect(kept(['written'])).toEqual([])
  expect(room()).toMatchObject({ usedBytes: QUOTA_BYTES, reservedBytes: 0 })
  expect((await rig.get('written'))?.equals(pattern(OBJECT_BYTES, 500))).toBe(true)
})

test('quota: a write to a native bucket is refused, and the old version stands', async () => {
  rig = await Rig.open()
  const bucket = { ...NATIVE, id: 2, properties: { quotaBytes: 3 * UNIT } }
  rig.bucket = bucket
  await rig.put('a', pattern(2 * UNIT, 1))
  await expect(rig.put('a', pattern(2 * UNIT, 2))).rejects.toMatchObject({
    code: 'out-of-space',
    message: expect.stringMatching(/quota is 12KiB/),
  })
  expect((await rig.get('a'))?.equals(pattern(2 * UNIT, 1))).toBe(true)
  expect(room()).toMatchObject({ usedBytes: 2 * UNIT, reservedBytes: 0 })
  await rig.put('b', pattern(UNIT))
})

test('quota: epoch keeps what it has within it', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES, policy: 'epoch' }, 40)
  for (const key of keys) await statusOf(key)
  const before = kept(keys)
  expect(before).toEqual(keys.slice(0, 19))
  for (const key of keys) await statusOf(key)
  expect(kept(keys)).toEqual(before)
})

test('pins: what is pinned outlives every eviction, also where it was stored before', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES }, 60)
  for (const key of keys.slice(0, 10)) await statusOf(key)
  change({ pins: [{ prefix: 'k00' }] })
  for (const key of keys.slice(10)) {
    expect((await rig.get(key))?.length).toBe(OBJECT_BYTES)
    await rig.idle()
  }
  expect(kept(keys.slice(0, 10))).toEqual(keys.slice(0, 10))
  expect(room().highestBytes).toBeLessThanOrEqual(QUOTA_BYTES)
})

test('pins: one lapses by the clock', async () => {
  const untilMs = Date.now() + 3_600_000
  const pins = [{ prefix: '', untilMs }]
  const keys = await openWith({ quotaBytes: QUOTA_BYTES, pins }, 22)
  for (const key of keys) await statusOf(key)
  expect(kept(keys)).toEqual(keys.slice(0, 20))
  rig.clock.shiftMs = 3_601_000
  change({ revalidate: { kind: 'never' } })
  expect(await statusOf(keys[21] ?? '')).toBe('miss')
  expect(kept(keys).length).toBeLessThan(20)
})

test('pins: no sequence of reads evicts a pinned object, whatever the pins', async () => {
  const keys = await openWith({ quotaBytes: QUOTA_BYTES }, 40)
  const prefix = fc.constantFrom('k00', 'k01', 'k02', 'k000', 'k03')
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(prefix, { maxLength: 3 }),
      fc.array(fc.nat({ max: 39 }), { minLength: 20, maxLength: 60 }),
      async (prefixes, reads) => {
        change({ pins: prefixes.map((each) => ({ prefix: each })) })
        const isPinned = (key: string): boolean => prefixes.some((each) => key.startsWith(each))
        const mustStay = new Set(kept(keys).filter(isPinned))
        for (const at of reads) {
          const key = keys[at] ?? ''
          rig.clock.shiftMs += 1000
          await rig.get(key)
          await rig.idle()
          for (const pinned of mustStay) expect(kept([pinned])).toEqual([pinned])
          if (isPinned(key) && kept([key]).length > 0) mustStay.add(key)
        }
        expect(room().highestBytes).toBeLessThanOrEqual(QUOTA_BYTES)
      },
    ),
    { numRuns: 8 },
  )
})

test('ttl: a copy is served until its time is over, and fetched again from then on', async () => {
  const ttls = [
    { prefix: '', ttlMs: 3_600_000 },
    { prefix: 'k001', ttlMs: 60_000 },
  ]
  const keys = await openWith({ ttls, revalidate: { kind: 'never' } }, 3)
  for (const key of keys) await statusOf(key)
  rig.clock.shiftMs = 58_000
  expect([await statusOf('k000'), await statusOf('k001')]).toEqual(['hit', 'hit'])
  rig.clock.shiftMs = 60_000
  expect((await rig.head('k001')).kind).toBe('found')
  expect([await statusOf('k000'), await statusOf('k001')]).toEqual(['hit', 'miss'])
  expect(await statusOf('k001')).toBe('hit')
})

test('ttl: a restart does not begin it anew, and a confirmation does not either', async () => {
  const keys = await openWith(
    { ttls: [{ prefix: '', ttlMs: 60_000 }], revalidate: { kind: 'always' } },
    1,
  )
  for (const key of keys) await statusOf(key)
  rig.clock.shiftMs = 40_000
  expect(await statusOf('k000')).toBe('revalidated')
  await rig.restart()
  rig.clock.shiftMs = 60_000
  expect(await statusOf('k000')).toBe('miss')
})

test('ttl: the room of what is over is given back, and the backend keeps its objects', async () => {
  const keys = await openWith({ ttls: [{ prefix: 'k00', ttlMs: 60_000 }] }, 20)
  for (const key of keys) await statusOf(key)
  const sweeper = new TtlSweeper(storeOf().context)
  expect(await sweeper.pass()).toBe(0)
  rig.clock.shiftMs = 61_000
  expect(await sweeper.pass()).toBe(10)
  expect(kept(keys)).toEqual(keys.slice(10))
  expect(room().usedBytes).toBe(10 * ALLOCATED_BYTES)
  expect((await rig.get('k000'))?.length).toBe(OBJECT_BYTES)
  await rig.idle()
  // A shorter ttl is another row, which the next pass looks at.
  change({ ttls: [{ prefix: 'k01', ttlMs: 1000 }] })
  expect(await sweeper.pass()).toBe(10)
  expect(kept(keys)).toEqual(['k000'])
})

test('ttl: an unreachable backend does not bring back what is over', async () => {
  const ttls = [{ prefix: '', ttlMs: 60_000 }]
  const keys = await openWith({ ttls, staleIfErrorMs: 3_600_000 }, 1)
  for (const key of keys) await statusOf(key)
  rig.clock.shiftMs = 61_000
  rig.remote.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, times: 100 })
  await expect(rig.get('k000')).rejects.toMatchObject({ code: 'backend-unreachable' })
})

test('admission: what is smaller or larger than the bucket keeps is passed through, read or written', async () => {
  const large = pattern(OBJECT_BYTES)
  await openWith({ admitMinBytes: 100, admitMaxBytes: OBJECT_BYTES - 1 }, 0)
  rig.remote.put('remote', 'large', large)
  rig.remote.put('remote', 'small', pattern(99))
  rig.remote.put('remote', 'right', pattern(100))
  expect([await statusOf('large'), await statusOf('small'), await statusOf('right')]).toEqual([
    'bypass',
    'bypass',
    'miss',
  ])
  await rig.put('written', large)
  await rig.put('kept', pattern(OBJECT_BYTES - 1))
  expect(kept(['large', 'small', 'right', 'written', 'kept'])).toEqual(['right', 'kept'])
  expect((await rig.get('large', { range: { kind: 'from', first: 7 } }))?.length).toBe(
    OBJECT_BYTES - 7,
  )
  expect(kept(['large'])).toEqual([])
})

test('admission: with second-hit the first read leaves nothing, and the second one stays', async () => {
  const [a = '', b = ''] = await openWith({ admit: 'second-hit' }, 2)
  expect([await statusOf(a), await statusOf(b), await statusOf(a), await statusOf(a)]).toEqual([
    'bypass',
    'bypass',
    'miss',
    'hit',
  ])
  expect(kept([a, b])).toEqual([a])
  change({ pins: [{ prefix: b }] })
  expect(await statusOf(b)).toBe('miss')
})

test('admission: a range of a large object counts as a hit, and takes its room within the quota', async () => {
  const BLOCK = 65_536
  await openWith(
    {
      admit: 'second-hit',
      blockBytes: BLOCK,
      sparseThresholdBytes: BLOCK,
      quotaBytes: 8 * BLOCK,
      evictable: false,
    },
    0,
  )
  const bytes = pattern(20 * BLOCK)
  rig.remote.put('remote', 'sparse', bytes)
  const part = async (first: number, last: number) => {
    const got = await rig.get('sparse', { range: { kind: 'from-to', first, last } })
    expect(got?.equals(bytes.subarray(first, last + 1))).toBe(true)
    await rig.idle()
    return rig.reads.at(-1)
  }
  expect(await part(0, BLOCK)).toBe('bypass')
  expect(await part(0, BLOCK)).toBe('miss')
  expect(await part(0, BLOCK)).toBe('partial')
  expect(room().usedBytes).toBe(2 * BLOCK)
  // Six blocks more fit, and seven do not.
  expect(await part(2 * BLOCK, 9 * BLOCK - 1)).toBe('bypass')
  expect(await part(2 * BLOCK, 8 * BLOCK - 1)).toBe('partial')
  expect(room()).toMatchObject({ usedBytes: 8 * BLOCK, reservedBytes: 0 })
  expect(room().highestBytes).toBeLessThanOrEqual(8 * BLOCK)
})
