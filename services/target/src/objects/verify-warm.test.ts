import { afterEach, expect, test } from 'vitest'
import { flipBit, pathOf, readBlock, recordOf } from '../scrub/testing/scrub-rig.ts'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

const BLOCK = 64 * 1024
const CHECKED_NATIVE = { ...NATIVE, properties: { verifyWarm: true } }

let rig: Rig
afterEach(() => rig.close())

test('a copy that rotted is not sent where warm reads are verified, but fetched again', async () => {
  rig = await Rig.open(cachedBucket({ verifyWarm: true }))
  rig.remote.put('remote', 'a', pattern(100_000))
  await rig.get('a')
  const before = rig.remote.bytesRead
  expect(await rig.get('a')).toEqual(pattern(100_000))
  expect(rig.remote.bytesRead).toBe(before)
  flipBit(pathOf(rig, recordOf(rig, 'a')), 99_999)
  expect(await rig.get('a')).toEqual(pattern(100_000))
  expect(rig.remote.bytesRead).toBe(before + 100_000)
})

test('an object of a native bucket that rotted is refused where warm reads are verified', async () => {
  rig = await Rig.open()
  await rig.put('a', pattern(5000), { bucket: CHECKED_NATIVE })
  expect(await rig.get('a', { bucket: CHECKED_NATIVE })).toEqual(pattern(5000))
  flipBit(pathOf(rig, recordOf(rig, 'a', NATIVE.id)), 0)
  const read = rig.get('a', { bucket: CHECKED_NATIVE })
  await expect(read).rejects.toMatchObject({ code: 'object-corrupt' })
  // Whoever looked: it is known from now on, also to those who do not.
  await expect(rig.get('a', { bucket: NATIVE })).rejects.toMatchObject({ code: 'object-corrupt' })
})

test('of a partial entry the blocks are verified that a read wants', async () => {
  const properties = { verifyWarm: true, blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK }
  rig = await Rig.open(cachedBucket(properties))
  const bytes = pattern(4 * BLOCK)
  rig.remote.put('remote', 'a', bytes)
  for (const block of [0, 1]) await readBlock(rig, 'a', block * BLOCK)
  flipBit(pathOf(rig, recordOf(rig, 'a')), BLOCK + 50)
  const before = rig.remote.bytesRead
  expect(await readBlock(rig, 'a', 0)).toEqual(bytes.subarray(0, 100))
  expect(rig.remote.bytesRead).toBe(before)
  expect(await readBlock(rig, 'a', BLOCK)).toEqual(bytes.subarray(BLOCK, BLOCK + 100))
  expect(rig.remote.bytesRead).toBe(before + BLOCK)
})

test('ranges that follow each other within a minute cost one look at the whole', async () => {
  rig = await Rig.open(cachedBucket({ verifyWarm: true }))
  rig.remote.put('remote', 'a', pattern(5000))
  await rig.get('a')
  const range = { kind: 'from-to', first: 0, last: 9 } as const
  await rig.get('a', { range })
  flipBit(pathOf(rig, recordOf(rig, 'a')), 4000)
  expect(await rig.get('a', { range })).toEqual(pattern(5000).subarray(0, 10))
  expect(rig.warnings).toEqual([])
  rig.clock.shiftMs += 60_001
  expect(await rig.get('a', { range })).toEqual(pattern(5000).subarray(0, 10))
  expect(rig.warnings).toEqual(['a corrupt entry was dropped'])
})
