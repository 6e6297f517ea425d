import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Guard } from '@forebay/peer/target-port'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { bodyOf, cachedBucket, NATIVE, Rig } from './testing/rig.ts'

/** The clock of the rig and of its store: it stands unless a test moves it. */
let nowMs: number
let rig: Rig

beforeEach(async () => {
  nowMs = 1_790_000_000_400
  rig = await Rig.open()
  rig.clock.now = () => nowMs
})

afterEach(() => rig.close())

const signal = new AbortController().signal

function remove(bucket: BucketRecord, guard: Guard, key = 'k') {
  return rig.target.delete({ bucket, key, conditions: {}, guard, signal })
}

function write(bucket: BucketRecord, guard: Guard, bytes: string) {
  return rig.target.write({
    ...{ bucket, key: 'k', headers: {}, metadata: {}, conditions: {}, stated: [], md5: true },
    ...{ body: bodyOf(Buffer.from(bytes)), guard, signal },
  })
}

async function listed(bucket: BucketRecord) {
  const { objects } = await rig.target.list({ bucket, prefix: '', pageMax: 1000, signal })
  const [object] = objects
  if (object === undefined) throw new Error('the list is empty')
  return { etag: object.etag, lastModifiedMs: object.lastModifiedMs }
}

const textOf = async (bucket: BucketRecord) => (await rig.get('k', { bucket }))?.toString()

const other = expect.objectContaining({ code: 'precondition-failed' })

describe('a native bucket', () => {
  test('the version that was listed is deleted', async () => {
    await rig.put('k', 'old', { bucket: NATIVE })
    nowMs += 1
    await remove(NATIVE, { version: await listed(NATIVE), beforeMs: nowMs })
    expect(await textOf(NATIVE)).toBeUndefined()
  })

  test('the same bytes written anew, a millisecond later, are another version', async () => {
    await rig.put('k', 'same', { bucket: NATIVE })
    const version = await listed(NATIVE)
    nowMs += 1
    await rig.put('k', 'same', { bucket: NATIVE })
    nowMs += 1
    await expect(remove(NATIVE, { version, beforeMs: nowMs })).rejects.toEqual(other)
    expect(await textOf(NATIVE)).toBe('same')
  })

  test('what was written in the millisecond of the instant, or later, was not there before it', async () => {
    const beforeMs = nowMs
    await rig.put('k', 'new', { bucket: NATIVE })
    const version = await listed(NATIVE)
    await expect(remove(NATIVE, { version, beforeMs })).rejects.toEqual(other)
    await expect(remove(NATIVE, { beforeMs })).rejects.toEqual(other)
    await remove(NATIVE, { version, beforeMs: beforeMs + 1 })
    expect(await textOf(NATIVE)).toBeUndefined()
  })

  test('a version that is gone is told as gone', async () => {
    const version = { etag: 'e', lastModifiedMs: 1 }
    await expect(remove(NATIVE, { version })).rejects.toMatchObject({ code: 'object-not-found' })
  })
})

describe('a bucket with a backend', () => {
  test('the listed version is deleted there once its second is over', async () => {
    rig.remote.put('remote', 'k', 'old')
    const version = await listed(rig.bucket)
    nowMs += 600
    await expect(remove(rig.bucket, { version, beforeMs: nowMs - 1 })).rejects.toEqual(other)
    await remove(rig.bucket, { version, beforeMs: nowMs })
    expect(rig.remote.findBucket('remote')?.current('k')).toBeUndefined()
  })

  test('the same bytes in a later second are another version', async () => {
    rig.remote.put('remote', 'k', 'same')
    const version = await listed(rig.bucket)
    nowMs += 1000
    rig.remote.put('remote', 'k', 'same')
    nowMs += 5000
    await expect(remove(rig.bucket, { version, beforeMs: nowMs })).rejects.toEqual(other)
    expect(await textOf(rig.bucket)).toBe('same')
  })

  test('a young version that this node has known from before is old enough', async () => {
    await rig.put('k', 'mine')
    const version = await listed(rig.bucket)
    nowMs += 1
    await remove(rig.bucket, { version, beforeMs: nowMs })
    expect(rig.remote.findBucket('remote')?.current('k')).toBeUndefined()
  })

  test('the same bytes in the same second, written through this node since, are not', async () => {
    await rig.put('k', 'same')
    const version = await listed(rig.bucket)
    nowMs += 1
    const beforeMs = nowMs
    await rig.put('k', 'same')
    nowMs += 60_000
    await expect(remove(rig.bucket, { version, beforeMs })).rejects.toEqual(other)
    expect(await textOf(rig.bucket)).toBe('same')
  })

  test('nor are they where somebody else wrote them, in a second after the one that is known', async () => {
    rig.remote.put('remote', 'k', 'same')
    await rig.get('k')
    nowMs += 5000
    const beforeMs = nowMs
    rig.remote.put('remote', 'k', 'same')
    const version = await listed(rig.bucket)
    await expect(remove(rig.bucket, { version, beforeMs })).rejects.toEqual(other)
    expect(await textOf(rig.bucket)).toBe('same')
  })

  test('a refused mutation leaves no key in doubt', async () => {
    rig.remote.put('remote', 'k', 'there')
    const version = { etag: 'other', lastModifiedMs: nowMs }
    for (const guard of [{ version }, { version: 'absent' }] as const) {
      await expect(write(rig.bucket, guard, 'mine')).rejects.toEqual(other)
      expect(rig.context.store.isUnsettled(rig.bucket.id, 'k')).toBe(false)
    }
    // The store refuses by itself what is for an empty place.
    expect(rig.remote.requestCount('write')).toBe(1)
    expect(rig.remote.requestCount('head')).toBe(1)
  })
})

describe.each([
  ['a native bucket', NATIVE, {}],
  ['a backend with conditions', cachedBucket(), {}],
  ['a backend without', cachedBucket(), { conditionalWrite: false, conditionalDelete: false }],
])('%s', (_, bucket, capabilities) => {
  beforeEach(async () => {
    await rig.close()
    rig = await Rig.open(cachedBucket(), capabilities)
    rig.clock.now = () => nowMs
  })

  test('a write for an empty place overwrites nothing', async () => {
    await write(bucket, { version: 'absent' }, 'first')
    await expect(write(bucket, { version: 'absent' }, 'second')).rejects.toEqual(other)
    expect(await textOf(bucket)).toBe('first')
  })

  test('a write over a version that was listed overwrites it, and none that came after', async () => {
    await write(bucket, {}, 'first')
    const version = await listed(bucket)
    nowMs += 1000
    await write(bucket, { version }, 'second')
    await expect(write(bucket, { version }, 'third')).rejects.toEqual(other)
    expect(await textOf(bucket)).toBe('second')
  })

  test('what the last check throws is the failure, and nothing has changed', async () => {
    await write(bucket, {}, 'first')
    const check = (): void => {
      throw new Failure('unavailable', 'the right to go on is lost')
    }
    const lost = expect.objectContaining({ code: 'unavailable' })
    await expect(write(bucket, { check }, 'second')).rejects.toEqual(lost)
    await expect(remove(bucket, { check })).rejects.toEqual(lost)
    expect(await textOf(bucket)).toBe('first')
  })
})
