import { readdirSync, readlinkSync } from 'node:fs'
import { armFailpoints } from '@forebay/base/failpoint'
import type { Conditions } from '@forebay/model/conditions'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { readObject } from './read.ts'
import { bodyOf, cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
const unhandled: unknown[] = []
const onUnhandled = (reason: unknown): void => {
  unhandled.push(reason)
}
beforeEach(() => {
  unhandled.length = 0
  process.on('unhandledRejection', onUnhandled)
})
afterEach(async () => {
  armFailpoints('')
  await rig.close()
  process.removeListener('unhandledRejection', onUnhandled)
})

const BLOCK = 64 * 1024
const sparse = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })
const signal = new AbortController().signal

/** Files of the rig that this process has open, apart from what the cache of descriptors may keep. */
function openFiles(): readonly string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(`/proc/self/fd/${fd}`)
      return path.includes('forebay-objects-') && path.includes(rig.directory) ? [path] : []
    } catch {
      return []
    }
  })
}

/** Everything that one request may hold, given back: checked after a wait for what closes behind. */
async function expectNothingHeld(): Promise<void> {
  await rig.idle()
  await rig.clock.sleep(20)
  const held = openFiles().filter((path) => /\/\.forebay\/(work|partial)\//.test(path))
  const { context } = rig
  expect({
    held,
    fills: context.fills.activeCount,
    tokens: context.generations.openCount,
    reserved: context.store.totals().reservedBytes,
    unhandled,
  }).toEqual({ held: [], fills: 0, tokens: 0, reserved: 0, unhandled: [] })
}

function read(
  key: string,
  options: { readonly signal?: AbortSignal; readonly conditions?: Conditions } = {},
) {
  return readObject(rig.context, {
    bucket: rig.bucket,
    key,
    conditions: options.conditions ?? {},
    signal: options.signal ?? signal,
  })
}

function range(first: number, last: number) {
  return { range: { kind: 'from-to', first, last } as const }
}

/** Lets everything run that needs no time. */
async function turns(count = 50): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve))
}

test('cold reads give back their descriptors', async () => {
  rig = await Rig.open()
  for (let n = 0; n < 20; n++) {
    rig.remote.put('remote', `k${n}`, pattern(100_000, n))
    expect(await rig.get(`k${n}`)).toEqual(pattern(100_000, n))
  }
  await turns()
  await rig.idle()
  await rig.clock.sleep(20)
  for (let n = 0; n < 20; n++)
    await rig.target.evict({ bucket: rig.bucket, key: `k${n}`, conditions: {}, signal })
  await turns()
  await rig.clock.sleep(20)
  expect(openFiles().filter((path) => path.includes('deleted'))).toEqual([])
  await expectNothingHeld()
})

test('sparse reads give back their descriptors', async () => {
  rig = await Rig.open(sparse)
  for (let n = 0; n < 20; n++) {
    rig.remote.put('remote', `k${n}`, pattern(5 * BLOCK, n))
    await rig.get(`k${n}`, range(0, 9))
    await rig.idle()
    if (n % 2 === 0) await rig.get(`k${n}`)
  }
  await expectNothingHeld()
  expect(rig.context.store.totals().objectCount).toBe(20)
})

test('a condition that answers for a partial entry opens nothing', async () => {
  rig = await Rig.open(sparse)
  rig.remote.put('remote', 'a', pattern(5 * BLOCK))
  await rig.get('a', range(0, 9))
  await rig.idle()
  const etag = rig.context.store.get(2, 'a')?.attributes.etag ?? ''
  const answer = await read('a', { conditions: { ifNoneMatch: [etag] } })
  expect(answer.kind).toBe('not-modified')
  await turns()
  expect(rig.context.fills.activeCount).toBe(0)
  expect(rig.context.generations.openCount).toBe(0)
})

test('a read of a client that left before its turn comes leaves no rejection behind', async () => {
  rig = await Rig.open()
  const left = AbortSignal.abort(new Error('left'))
  rig.remote.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, times: 100 })
  await expect(read('a', { signal: left })).rejects.toThrow('left')
  await expect(read('a', { signal: left, conditions: { ifMatch: ['x'] } })).rejects.toThrow('left')
  await turns()
  expect(unhandled).toEqual([])
})

test('an opening whose only reader left is ended, sparse or whole', async () => {
  rig = await Rig.open(sparse)
  for (const wanted of [range(0, 9), {}]) {
    rig.remote.put('remote', 'a', pattern(50 * BLOCK))
    const leaving = new AbortController()
    rig.remote.addFault({
      action: { kind: 'at', point: 'answer', act: () => leaving.abort() },
      on: ['read', 'head'],
    })
    const reading = readObject(rig.context, {
      bucket: rig.bucket,
      key: 'a',
      conditions: {},
      signal: leaving.signal,
      ...wanted,
    })
    await expect(reading).rejects.toThrow()
    await turns(200)
    expect(rig.context.fills.activeCount).toBe(0)
    await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })
  }
})

test('a client that leaves while its write waits for the key takes the upload with it', async () => {
  rig = await Rig.open()
  const release = await rig.context.locks.acquire('2/a')
  const leaving = new AbortController()
  const writing = rig.target.write({
    bucket: rig.bucket,
    key: 'a',
    headers: {},
    metadata: {},
    conditions: {},
    stated: [],
    md5: true,
    body: bodyOf(pattern(500_000)),
    signal: leaving.signal,
  })
  const failed = expect(writing).rejects.toThrow('left')
  await turns(200)
  expect(rig.remote.bytesWritten).toBeGreaterThan(0)
  const ended = false
  rig.remote.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, on: ['head'] })
  leaving.abort(new Error('left'))
  await failed
  release()
  await expectNothingHeld()
  void ended
  expect(NATIVE.id).toBe(1)
})
