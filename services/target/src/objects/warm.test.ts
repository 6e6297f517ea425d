import type { WarmRequest } from '@forebay/peer/target-port'
import { afterEach, expect, test } from 'vitest'
import { flipBit, pathOf, readBlock, recordOf } from '../scrub/testing/scrub-rig.ts'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const BLOCK = 64 * 1024
const sparse = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })

const warm = (key: string, options: Partial<WarmRequest> = {}) =>
  rig.target.warm({ bucket: rig.bucket, key, signal: new AbortController().signal, ...options })

test('an object that was warmed is read without a request, and cost one', async () => {
  rig = await Rig.open()
  for (const sizeBytes of [0, 1, 100_000, 3_000_000]) {
    const key = `of ${sizeBytes}`
    rig.remote.put('remote', key, pattern(sizeBytes))
    expect(await warm(key)).toEqual({ kind: 'fetched', bytes: sizeBytes })
    expect(rig.remote.requestCount()).toBe(1)
    expect(await rig.get(key)).toEqual(pattern(sizeBytes))
    expect(rig.remote.requestCount()).toBe(1)
    rig.remote.resetCounts()
  }
})

test('what is warmed counts neither as a hit nor as a miss', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  await warm('a')
  await warm('a', { latest: true })
  expect(rig.reads).toEqual([])
})

test('a whole entry is left alone while it is fresh', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.remote.resetCounts()
  expect(await warm('a')).toEqual({ kind: 'cached' })
  expect(rig.remote.requestCount()).toBe(0)
})

test('an entry that is not fresh any more is asked about, unless a list just told of its version', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.clock.shiftMs += 10 * 60_000
  rig.remote.resetCounts()
  const { etag } = recordOf(rig, 'a').attributes
  expect(await warm('a', { listed: { etag } })).toEqual({ kind: 'cached' })
  expect(rig.remote.requestCount()).toBe(0)
  expect(await warm('a')).toEqual({ kind: 'cached' })
  expect([rig.remote.requestCount('head'), rig.remote.requestCount('read')]).toEqual([1, 0])
})

test('the latest version replaces an older one, which only asking finds', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.remote.put('remote', 'a', 'other')
  expect(await warm('a')).toEqual({ kind: 'cached' })
  expect(await warm('a', { latest: true })).toEqual({ kind: 'fetched', bytes: 5 })
  rig.remote.resetCounts()
  const { etag } = recordOf(rig, 'a').attributes
  expect(await warm('a', { latest: true, listed: { etag } })).toEqual({ kind: 'cached' })
  expect(rig.remote.requestCount()).toBe(0)
  expect(String(await rig.get('a'))).toBe('other')
})

test('a partial entry is completed with what it lacks', async () => {
  rig = await Rig.open(sparse)
  const bytes = pattern(10 * BLOCK + 100)
  rig.remote.put('remote', 'a', bytes)
  await readBlock(rig, 'a', 0)
  await readBlock(rig, 'a', 10 * BLOCK)
  expect(await warm('a')).toEqual({ kind: 'fetched', bytes: 9 * BLOCK })
  expect(rig.remote.bytesRead).toBe(bytes.length)
  expect(recordOf(rig, 'a').blocks).toBeUndefined()
})

test('readers and warmers of one object share one fetch', async () => {
  rig = await Rig.open()
  const bytes = pattern(1_000_000)
  rig.remote.put('remote', 'a', bytes)
  rig.remote.addFault({ action: { kind: 'delay', ms: 20 } })
  const [read, ...warmed] = await Promise.all([rig.get('a'), warm('a'), warm('a')])
  expect(read).toEqual(bytes)
  expect(warmed.map(({ kind }) => kind)).toEqual(['fetched', 'fetched'])
  expect(rig.remote.requestCount('read')).toBe(1)
})

test('what is verified is compared with its checksum, and fetched again when it is wrong', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(5000))
  await rig.get('a')
  rig.remote.resetCounts()
  expect(await warm('a', { verify: true })).toEqual({ kind: 'cached' })
  expect(rig.remote.requestCount()).toBe(0)
  flipBit(pathOf(rig, recordOf(rig, 'a')), 9)
  expect(await warm('a')).toEqual({ kind: 'cached' })
  expect(await warm('a', { verify: true })).toEqual({ kind: 'fetched', bytes: 5000 })
  expect(await rig.get('a')).toEqual(pattern(5000))
  expect(rig.remote.requestCount('read')).toBe(1)
})

test('what the bucket does not keep is not asked for', async () => {
  rig = await Rig.open(cachedBucket({ admitMaxBytes: 1000 }))
  rig.remote.put('remote', 'a', pattern(1001))
  expect(await warm('a', { listed: { etag: 'x', sizeBytes: 1001 } })).toEqual({ kind: 'not-kept' })
  expect(rig.remote.requestCount()).toBe(0)
  expect(await warm('a')).toEqual({ kind: 'not-kept' })
  rig.bucket = cachedBucket({ cache: 'bypass' })
  expect(await warm('a')).toEqual({ kind: 'not-kept' })
})

test('a bucket that keeps what is asked for twice keeps what is warmed', async () => {
  rig = await Rig.open(cachedBucket({ admit: 'second-hit' }))
  for (const key of ['never read', 'read once']) {
    rig.remote.put('remote', key, pattern(5000))
    if (key === 'read once') await rig.get(key)
    rig.remote.resetCounts()
    expect(await warm(key), key).toEqual({ kind: 'fetched', bytes: 5000 })
    expect(rig.remote.requestCount(), key).toBe(1)
  }
})

test('an object that is not there is told to be absent, and a native bucket is refused', async () => {
  rig = await Rig.open()
  expect(await warm('nothing')).toEqual({ kind: 'absent' })
  await expect(warm('a', { bucket: NATIVE })).rejects.toMatchObject({ code: 'bucket-not-remote' })
})

test('a backend that fails fails the warming, and nothing is kept of it', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(5000))
  rig.remote.addFault({ on: ['read'], action: { kind: 'refuse', code: 'backend-unreachable' } })
  await expect(warm('a')).rejects.toMatchObject({ code: 'backend-unreachable' })
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
})

test('a check that throws ends it before the first request', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  const gone = new Error('the lease is gone')
  const check = (): void => {
    throw gone
  }
  await expect(warm('a', { check })).rejects.toBe(gone)
  expect(rig.remote.requestCount()).toBe(0)
})

test('who stops waiting leaves the fetch to those who read', async () => {
  rig = await Rig.open()
  const bytes = pattern(1_000_000)
  rig.remote.put('remote', 'a', bytes)
  rig.remote.addFault({ action: { kind: 'delay', ms: 30 } })
  const stop = new AbortController()
  const warming = warm('a', { signal: stop.signal })
  const reading = rig.get('a')
  const reason = new Error('stopped')
  stop.abort(reason)
  await expect(warming).rejects.toBe(reason)
  expect(await reading).toEqual(bytes)
  await rig.idle()
})

test('a list without tags tells of no version', async () => {
  rig = await Rig.open()
  const bytes = { sizeBytes: 100, seed: 1, etag: '' }
  rig.remote.putPattern('remote', 'a', bytes)
  await rig.get('a')
  rig.clock.shiftMs += 10 * 60_000
  rig.remote.putPattern('remote', 'a', { ...bytes, seed: 2 })
  expect(await warm('a', { listed: { etag: '', sizeBytes: 100 } })).toEqual({
    kind: 'fetched',
    bytes: 100,
  })
  expect(await rig.get('a')).toEqual(rig.remote.bytes('remote', 'a'))
})

test('a large object whose store tells no digest is fetched in one go', async () => {
  rig = await Rig.open()
  const sizeBytes = 40_000_000
  rig.remote.putPattern('remote', 'a', { sizeBytes, seed: 1 })
  expect(await warm('a')).toEqual({ kind: 'fetched', bytes: sizeBytes })
  rig.remote.resetCounts()
  expect(await warm('a')).toEqual({ kind: 'cached' })
})

test('bytes are told while they come, and each once', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(3_000_000))
  const told: number[] = []
  await warm('a', { moved: (bytes) => void told.push(bytes) })
  expect(told.reduce((sum, bytes) => sum + bytes, 0)).toBe(3_000_000)
  expect(told.length).toBeGreaterThan(1)
})

test('an object that is held back comes at once when somebody reads it', async () => {
  rig = await Rig.open()
  const bytes = pattern(3_000_000)
  rig.remote.put('remote', 'a', bytes)
  const held = Promise.withResolvers<void>()
  const never = new Promise<void>(() => undefined)
  const moved = (): Promise<void> => {
    held.resolve()
    return never
  }
  const warming = warm('a', { moved })
  await held.promise
  expect(await rig.get('a')).toEqual(bytes)
  expect(await warming).toEqual({ kind: 'fetched', bytes: bytes.length })
})

test('who reads a small object that is held back does not wait for the rate of the one who warms it', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(10_000))
  const begun = Promise.withResolvers<void>()
  const moved = (): Promise<void> => {
    begun.resolve()
    return new Promise(() => undefined)
  }
  const warming = warm('a', { moved })
  await begun.promise
  expect(await rig.get('a')).toEqual(pattern(10_000))
  expect(await warming).toEqual({ kind: 'fetched', bytes: 10_000 })
  expect(rig.remote.requestCount()).toBe(1)
})

test('what cannot be counted any more holds nothing back', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(3_000_000))
  const moved = (): Promise<void> => Promise.reject(new Error('the lease is gone'))
  expect(await warm('a', { moved })).toEqual({ kind: 'fetched', bytes: 3_000_000 })
})
