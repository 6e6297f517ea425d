import { lstatSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { expect, test } from 'vitest'
import { cachedBucket, pattern, Rig } from '../objects/testing/rig.ts'

const UNIT = 4096
const OBJECT_BYTES = 50_000
const ALLOCATED_BYTES = Math.ceil(OBJECT_BYTES / UNIT) * UNIT
const CAPACITY_BYTES = 40 * ALLOCATED_BYTES
const room = { capacityBytes: CAPACITY_BYTES, watermarks: { low: 0.7, high: 0.8, full: 0.9 } }

async function openWith(
  policy: (typeof POLICY_KINDS)[number],
  objects: number,
): Promise<{ readonly rig: Rig; readonly keys: readonly string[] }> {
  const rig = await Rig.open(cachedBucket({ policy }))
  rig.room = room
  await rig.restart()
  const keys = Array.from({ length: objects }, (_, at) => `shards/${at}.tar`)
  for (const [at, key] of keys.entries()) {
    rig.remote.put('remote', key, pattern(OBJECT_BYTES, at))
  }
  return { rig, keys }
}

/**
 * Blocks on disk of all objects and work files; what is unlinked meanwhile counts no more. Not those in
 * which the file system lists the extents of a file with holes: ext4 takes one beyond four extents,
 * and counts it as the file's.
 */
function bytesOnDisk(folder: string): number {
  let bytes = 0
  for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile() || /\.forebay($|\/(index|journal))/.test(entry.parentPath)) continue
    const stat = lstatSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })
    const hasHoles = stat !== undefined && stat.blocks * 512 < stat.size
    bytes += (stat?.blocks ?? 0) * 512 - (hasHoles ? UNIT : 0)
  }
  return bytes
}

test.each(POLICY_KINDS)(
  '%s: 64 reads at a time never take more room than there is',
  async (policy) => {
    const { rig, keys } = await openWith(policy, 192)
    const limit = CAPACITY_BYTES * room.watermarks.full
    let most = 0
    let mostOnDisk = 0
    let reading = true
    const watch = (async () => {
      while (reading) {
        const { usedBytes, reservedBytes } = rig.context.store.totals()
        most = Math.max(most, usedBytes + reservedBytes)
        mostOnDisk = Math.max(mostOnDisk, bytesOnDisk(join(rig.directory, 'mp')))
        await new Promise((resolve) => setImmediate(resolve))
      }
    })()
    for (let round = 0; round < 2; round++) {
      for (let from = 0; from < keys.length; from += 64) {
        const batch = keys.slice(from, from + 64)
        const bodies = await Promise.all(batch.map((key) => rig.get(key)))
        for (const [at, body] of bodies.entries()) {
          expect(body?.equals(pattern(OBJECT_BYTES, from + at))).toBe(true)
        }
      }
    }
    reading = false
    await watch
    expect(most).toBeGreaterThan(limit / 2)
    expect(most).toBeLessThanOrEqual(limit)
    expect(mostOnDisk).toBeLessThanOrEqual(limit)
    await rig.close()
  },
)

test('a bucket of epoch serves what it does not keep, and keeps what it has', async () => {
  const { rig, keys } = await openWith('epoch', 100)
  const round = async (): Promise<readonly string[]> => {
    const first = rig.reads.length
    for (const key of keys) expect((await rig.get(key))?.length).toBe(OBJECT_BYTES)
    return rig.reads.slice(first)
  }
  await round()
  const kept = keys.filter((key) => rig.context.store.get(rig.bucket.id, key) !== undefined)
  // 79 % of the capacity: a tenth below the high mark.
  expect(kept.length).toBe(Math.floor(40 * 0.79))
  const statuses = await round()
  expect(statuses.filter((status) => status === 'hit').length).toBe(kept.length)
  expect(statuses.filter((status) => status === 'bypass').length).toBe(100 - kept.length)
  expect(keys.filter((key) => rig.context.store.get(rig.bucket.id, key))).toEqual(kept)
  await rig.close()
})

test('a new version of an object that epoch keeps takes its place', async () => {
  const { rig, keys } = await openWith('epoch', 60)
  for (const key of keys) await rig.get(key)
  const [key = ''] = keys
  expect(rig.context.store.get(rig.bucket.id, key)).toBeDefined()
  await rig.put(key, pattern(OBJECT_BYTES, 999))
  expect((await rig.get(key))?.equals(pattern(OBJECT_BYTES, 999))).toBe(true)
  expect(rig.reads.at(-1)).toBe('hit')
  await rig.close()
})

test('what epoch keeps is the same after a restart', async () => {
  const { rig, keys } = await openWith('epoch', 60)
  for (const key of keys) await rig.get(key)
  const before = keys.filter((key) => rig.context.store.get(rig.bucket.id, key))
  await rig.restart()
  for (const key of keys) await rig.get(key)
  expect(keys.filter((key) => rig.context.store.get(rig.bucket.id, key))).toEqual(before)
  await rig.close()
})
