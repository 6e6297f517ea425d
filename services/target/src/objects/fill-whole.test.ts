import { afterEach, expect, test } from 'vitest'
import { RESERVE_STEP_BYTES } from '../space/space.ts'
import { SEGMENT_BYTES } from './fetching.ts'
import { cachedBucket, pattern, Rig } from './testing/rig.ts'

const BLOCK = 64 * 1024
const BLOCKS = 20
const bytes = pattern(BLOCKS * BLOCK)
const properties = { blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK }

let rig: Rig
afterEach(() => rig.close())

/** Reads one byte of each block of `[first, end)`, one after the other. */
async function touch(first: number, end: number): Promise<void> {
  for (let index = first; index < end; index++) {
    const at = index * BLOCK
    await rig.get('a', { range: { kind: 'from-to', first: at, last: at } })
    await rig.idle()
  }
}

async function open(fillWholePercent: number): Promise<void> {
  rig = await Rig.open(cachedBucket({ ...properties, fillWholePercent }))
  rig.remote.put('remote', 'a', bytes)
}

test('an object of which the share is there that the bucket names is fetched to the end', async () => {
  await open(50)
  await touch(0, 9)
  expect(rig.context.store.get(2, 'a')?.blocks).toBeDefined()
  expect(rig.remote.bytesRead).toBe(9 * BLOCK)
  await touch(9, 10)
  expect(rig.context.store.get(2, 'a')?.blocks).toBeUndefined()
  expect(rig.remote.bytesRead).toBe(BLOCKS * BLOCK)
  expect(rig.context.fills.background.taken).toBe(0)
  expect(rig.context.store.totals().reservedBytes).toBe(0)
  expect(await rig.get('a')).toEqual(bytes)
  expect(rig.remote.bytesRead).toBe(BLOCKS * BLOCK)
})

test('an object that comes piece by piece takes its room once', async () => {
  await open(1)
  const segments = 4 * SEGMENT_BYTES
  rig.bucket = cachedBucket({ blockBytes: SEGMENT_BYTES, fillWholePercent: 1 })
  rig.remote.put('remote', 'large', pattern(segments))
  let most = 0
  const act = async (): Promise<void> => {
    const { usedBytes, reservedBytes } = rig.context.store.totals()
    most = Math.max(most, usedBytes + reservedBytes)
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['read'], times: 100 })
  await rig.get('large', { range: { kind: 'from-to', first: 0, last: 0 } })
  await rig.idle()
  expect(rig.context.store.get(2, 'large')?.blocks).toBeUndefined()
  expect(most).toBeGreaterThanOrEqual(segments)
  // Room is taken in steps.
  expect(most).toBeLessThan(segments + RESERVE_STEP_BYTES)
})

test('what nobody reads is not fetched where the bucket does not say so', async () => {
  await open(100)
  await touch(0, 19)
  expect(rig.remote.bytesRead).toBe(19 * BLOCK)
})

test('what is fetched for nobody and cannot be had stays away, and no reader notices', async () => {
  await open(50)
  await touch(0, 9)
  rig.remote.addFault({
    action: { kind: 'refuse', code: 'backend-unreachable' },
    on: ['read'],
    skip: 1,
    times: 100,
  })
  await touch(9, 10)
  rig.remote.clearFaults()
  expect(rig.remote.bytesRead).toBe(10 * BLOCK)
  expect(rig.context.fills.background.taken).toBe(0)
  expect(rig.context.store.get(2, 'a')?.blocks).toBeDefined()
  // The next read finds the share still there.
  await touch(0, 1)
  expect(rig.context.store.get(2, 'a')?.blocks).toBeUndefined()
})

test('no more objects than a few are made whole at a time', async () => {
  await open(50)
  const { background } = rig.context.fills
  while (background.take());
  await touch(0, 10)
  expect(rig.remote.bytesRead).toBe(10 * BLOCK)
  background.give()
  await touch(10, 11)
  expect(rig.remote.bytesRead).toBe(BLOCKS * BLOCK)
})

test('a version that was replaced is not fetched any further', async () => {
  await open(50)
  await touch(0, 9)
  const act = async (): Promise<void> => {
    await rig.put('a', 'new')
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['read'], skip: 1 })
  await touch(9, 10)
  expect(String(await rig.get('a'))).toBe('new')
  expect(rig.context.fills.background.taken).toBe(0)
})
