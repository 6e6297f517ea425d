import { afterEach, expect, test } from 'vitest'
import { readObject } from './read.ts'
import { cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

const BLOCK = 64 * 1024
const sparse = cachedBucket({ blockBytes: BLOCK, sparseThresholdBytes: 2 * BLOCK })

test('the second read of an object makes no request to the backend', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(100_000))
  expect(await rig.get('a')).toEqual(pattern(100_000))
  const before = rig.remote.requestCount()
  expect(await rig.get('a')).toEqual(pattern(100_000))
  expect(rig.remote.requestCount()).toBe(before)
  expect(rig.reads).toEqual(['miss', 'hit'])
})

test('an object of no bytes is cached like any other', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'empty', '')
  expect(await rig.get('empty')).toEqual(Buffer.alloc(0))
  expect(await rig.get('empty')).toEqual(Buffer.alloc(0))
  expect(rig.reads).toEqual(['miss', 'hit'])
})

test('an object that nobody has is absent', async () => {
  rig = await Rig.open()
  expect(await rig.get('nothing')).toBeUndefined()
  expect(await rig.get('nothing', { bucket: NATIVE })).toBeUndefined()
})

test('500 readers of one absent object cost one request, and all get all bytes', async () => {
  rig = await Rig.open()
  const bytes = pattern(1_000_000)
  rig.remote.put('remote', 'a', bytes)
  rig.remote.addFault({ action: { kind: 'delay', ms: 20 } })
  const answers = await Promise.all(Array.from({ length: 500 }, () => rig.get('a')))
  expect(answers.every((answer) => answer?.equals(bytes))).toBe(true)
  expect(rig.remote.requestCount('read')).toBe(1)
  expect(rig.remote.bytesRead).toBe(bytes.length)
})

test('a range of a large absent object fetches only its blocks', async () => {
  rig = await Rig.open(sparse)
  const bytes = pattern(20 * BLOCK)
  rig.remote.put('remote', 'a', bytes)
  const range = { kind: 'from-to', first: 5 * BLOCK + 10, last: 6 * BLOCK + 9 } as const
  expect(await rig.get('a', { range })).toEqual(bytes.subarray(5 * BLOCK + 10, 6 * BLOCK + 10))
  await rig.idle()
  expect(rig.remote.bytesRead).toBe(2 * BLOCK)
  expect(await rig.get('a', { range })).toEqual(bytes.subarray(5 * BLOCK + 10, 6 * BLOCK + 10))
  expect(rig.remote.bytesRead).toBe(2 * BLOCK)
})

test('the blocks of a sparse object survive a restart and become the whole object', async () => {
  rig = await Rig.open(sparse)
  const bytes = pattern(10 * BLOCK + 100)
  rig.remote.put('remote', 'a', bytes)
  await rig.get('a', { range: { kind: 'suffix', lengthBytes: 50 } })
  await rig.get('a', { range: { kind: 'from-to', first: 0, last: 0 } })
  await rig.idle()
  expect(rig.remote.bytesRead).toBe(BLOCK + 100)
  await rig.restart()
  expect(await rig.get('a')).toEqual(bytes)
  expect(rig.remote.bytesRead).toBe(bytes.length)
  const record = rig.context.store.get(2, 'a')
  expect(record?.blocks).toBeUndefined()
  expect(await rig.get('a')).toEqual(bytes)
  expect(rig.remote.bytesRead).toBe(bytes.length)
})

test('a stale object is confirmed by one HEAD, a changed one is fetched anew', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.clock.shiftMs += 10 * 60_000
  expect(String(await rig.get('a'))).toBe('one')
  expect(rig.remote.requestCount('head')).toBe(1)
  rig.remote.put('remote', 'a', 'two')
  expect(String(await rig.get('a'))).toBe('one')
  rig.clock.shiftMs += 10 * 60_000
  expect(String(await rig.get('a'))).toBe('two')
  expect(rig.reads).toEqual(['miss', 'revalidated', 'hit', 'miss'])
})

test('under always every read asks, and a change behind the cache is seen at once', async () => {
  rig = await Rig.open(cachedBucket({ revalidate: { kind: 'always' } }))
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.remote.put('remote', 'a', 'two')
  expect(String(await rig.get('a'))).toBe('two')
  rig.remote.delete('remote', 'a')
  expect(await rig.get('a')).toBeUndefined()
})

test('a stale object stands in for an unreachable backend only where the bucket allows it', async () => {
  rig = await Rig.open(cachedBucket({ staleIfErrorMs: 60 * 60_000 }))
  rig.remote.put('remote', 'a', 'one')
  await rig.get('a')
  rig.clock.shiftMs += 10 * 60_000
  rig.remote.addFault({ action: { kind: 'refuse', code: 'backend-unreachable' }, times: 100 })
  expect(String(await rig.get('a'))).toBe('one')
  expect(rig.reads.at(-1)).toBe('stale')
  rig.bucket = cachedBucket()
  await expect(rig.get('a')).rejects.toMatchObject({ code: 'backend-unreachable' })
})

test('an object that changes while it is fetched never yields bytes of two versions', async () => {
  rig = await Rig.open(sparse)
  const old = pattern(20 * BLOCK, 1)
  const young = pattern(20 * BLOCK, 2)
  rig.remote.put('remote', 'a', old)
  await rig.get('a', { range: { kind: 'from-to', first: 0, last: 10 } })
  rig.remote.put('remote', 'a', young)
  const answer = await rig.get('a', {
    range: { kind: 'from-to', first: 10 * BLOCK, last: 11 * BLOCK },
  })
  expect(answer).toEqual(young.subarray(10 * BLOCK, 11 * BLOCK + 1))
})

test('a body that does not match its checksum is refused and not kept', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(100_000))
  rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 50_000 } })
  await expect(rig.get('a')).rejects.toMatchObject({ code: 'backend-corrupt' })
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  expect(await rig.get('a')).toEqual(pattern(100_000))
})

test('a range of an absent object is answered when the whole is as it should be', async () => {
  rig = await Rig.open()
  const bytes = pattern(100_000)
  rig.remote.put('remote', 'a', bytes)
  const request = {
    bucket: rig.bucket,
    key: 'a',
    conditions: {},
    range: { kind: 'from-to', first: 1000, last: 1999 },
    signal: new AbortController().signal,
  } as const
  rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 1500 }, on: ['read'] })
  await expect(readObject(rig.context, request)).rejects.toMatchObject({ code: 'backend-corrupt' })
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 70_000 }, on: ['read'] })
  expect(await rig.get('a', { range: request.range })).toEqual(bytes.subarray(1000, 2000))
  await rig.idle()
  expect(rig.context.store.get(2, 'a')?.blocks).toBeUndefined()
  expect(await rig.get('a')).toEqual(bytes)
  expect(rig.remote.requestCount('read')).toBe(3)
})

test('a fetch that breaks goes on where it broke, held to the same version', async () => {
  rig = await Rig.open(sparse)
  const bytes = pattern(20 * BLOCK)
  rig.remote.put('remote', 'a', bytes)
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 7 * BLOCK + 5 }, on: ['read'] })
  expect(await rig.get('a')).toEqual(bytes)
  expect(rig.remote.requestCount('read')).toBe(2)
})

test('without a validator every read is one connection and nothing is sparse', async () => {
  rig = await Rig.open(sparse)
  rig.remote.validators = 'none'
  const bytes = pattern(20 * BLOCK)
  rig.remote.put('remote', 'a', bytes)
  const range = { kind: 'from-to', first: 10, last: 19 } as const
  expect(await rig.get('a', { range })).toEqual(bytes.subarray(10, 20))
  await rig.idle()
  expect(rig.remote.bytesRead).toBe(bytes.length)
})

test('bypass reads and keeps nothing', async () => {
  rig = await Rig.open(cachedBucket({ cache: 'bypass' }))
  rig.remote.put('remote', 'a', pattern(100_000))
  expect(await rig.get('a')).toEqual(pattern(100_000))
  expect(await rig.get('a', { range: { kind: 'from', first: 99_990 } })).toEqual(
    pattern(100_000).subarray(99_990),
  )
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  expect(rig.reads).toEqual(['bypass', 'bypass'])
})

test('blocks that are read from the cache keep their object there', async () => {
  const mib = 1024 ** 2
  rig = await Rig.open(cachedBucket({ blockBytes: mib, sparseThresholdBytes: mib }))
  await rig.stop()
  rig.room = { capacityBytes: 64 * mib }
  await rig.start(rig.directory)
  const range = { kind: 'from-to', first: 0, last: 10 * mib - 1 } as const
  for (const key of ['a', 'b']) rig.remote.put('remote', key, Buffer.alloc(20 * mib))
  for (const key of ['a', 'b', 'a']) {
    await rig.get(key, { range })
    await rig.idle()
    rig.clock.shiftMs += 10_000
  }
  expect(rig.reads.at(-1)).toBe('partial')
  rig.remote.put('remote', 'c', Buffer.alloc(40 * mib))
  await rig.get('c')
  const has = (key: string): boolean => rig.context.store.get(2, key) !== undefined
  while (has('a') && has('b')) await rig.clock.sleep(5)
  expect([has('a'), has('b')]).toEqual([true, false])
})
