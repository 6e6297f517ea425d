import { armFailpoints } from '@forebay/base/failpoint'
import type { RangeRequest } from '@forebay/model/range'
import { afterEach, expect, test } from 'vitest'
import { GATHERED_BYTES_MAX } from './gathered.ts'
import { readObject } from './read.ts'
import type { ReadAnswer } from './read-answer.ts'
import { bodyOf, cachedBucket, pattern, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(async () => {
  armFailpoints('')
  await rig.close()
})

const BYTES = pattern(40_000)
const signal = new AbortController().signal
const request = () => ({ bucket: rig.bucket, key: 'a', conditions: {}, signal })

async function openWith(bytes: Buffer | string = BYTES): Promise<void> {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', bytes)
}

async function bytesOf(answer: ReadAnswer): Promise<Buffer> {
  if (answer.kind !== 'found') throw new Error(answer.kind)
  const chunks: Buffer[] = []
  await answer.body.pump((chunk) => void chunks.push(Buffer.from(chunk)), signal)
  return Buffer.concat(chunks)
}

/** Reads the object while its file takes `ms` to come. */
async function readUnstored(ms: number): Promise<void> {
  armFailpoints(`gather:verified=delay:${ms}`)
  expect(await bytesOf(await readObject(rig.context, request()))).toEqual(BYTES)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
}

async function expectNothingHeld(): Promise<void> {
  await rig.idle()
  const { fills, generations, store } = rig.context
  // What is given up holds its room until the disk has it back.
  await expect
    .poll(() => ({
      fills: fills.activeCount,
      tokens: generations.openCount,
      works: rig.openWorkCount,
      reserved: store.totals().reservedBytes,
    }))
    .toEqual({ fills: 0, tokens: 0, works: 0, reserved: 0 })
}

test.each([0, 1, 16 * 1024, GATHERED_BYTES_MAX, GATHERED_BYTES_MAX + 1])(
  'an object of %i bytes is read, kept, and read again without a request',
  async (sizeBytes) => {
    await openWith(pattern(sizeBytes))
    expect(await rig.get('a')).toEqual(pattern(sizeBytes))
    await rig.restart()
    expect(await rig.get('a')).toEqual(pattern(sizeBytes))
    expect(rig.reads).toEqual(['miss', 'hit'])
    expect(rig.remote.requestCount()).toBe(1)
    await expectNothingHeld()
  },
)

test('a reader has it before the cache has it, and who comes next finds it there', async () => {
  await openWith()
  await readUnstored(50)
  expect(await rig.get('a')).toEqual(BYTES)
  expect(rig.reads).toEqual(['miss', 'hit'])
  expect(rig.remote.requestCount()).toBe(1)
})

test('who comes while the disk hangs has it from memory, without a request', async () => {
  await openWith()
  await readUnstored(1500)
  expect(await bytesOf(await readObject(rig.context, request()))).toEqual(BYTES)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  expect(rig.remote.requestCount()).toBe(1)
})

test('what is in memory is no fresher than its question', async () => {
  await openWith()
  await readUnstored(1500)
  rig.remote.put('remote', 'a', 'new')
  rig.clock.shiftMs += 24 * 60 * 60_000
  expect((await bytesOf(await readObject(rig.context, request()))).toString()).toBe('new')
})

test('each byte is fetched once for any number of readers', async () => {
  await openWith()
  const all = await Promise.all(Array.from({ length: 50 }, () => rig.get('a')))
  for (const bytes of all) expect(bytes).toEqual(BYTES)
  expect(rig.remote.requestCount()).toBe(1)
})

test('readers who must ask share the bytes of the version that they were told of', async () => {
  rig = await Rig.open(cachedBucket({ revalidate: { kind: 'always' } }))
  rig.remote.put('remote', 'a', BYTES)
  const all = await Promise.all(Array.from({ length: 20 }, () => rig.get('a')))
  for (const bytes of all) expect(bytes).toEqual(BYTES)
  expect(rig.remote.requestCount('read')).toBe(1)
})

test.each<[string, RangeRequest, Buffer | string]>([
  ['the beginning', { kind: 'from-to', first: 0, last: 9 }, BYTES.subarray(0, 10)],
  ['the end', { kind: 'suffix', lengthBytes: 7 }, BYTES.subarray(-7)],
  ['nothing that there is', { kind: 'from-to', first: 50_000, last: 50_009 }, 'unsatisfiable'],
])('%s of an absent object is what it is of a cached one', async (_, range, wanted) => {
  await openWith()
  for (const _time of ['absent', 'cached']) {
    const answer = await readObject(rig.context, { ...request(), range })
    if (typeof wanted === 'string') expect(answer.kind).toBe(wanted)
    else expect(await bytesOf(answer)).toEqual(wanted)
    await rig.context.fills.published()
  }
})

test('a body that breaks off is fetched once more, and no reader notices', async () => {
  await openWith()
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 20_000 }, on: ['read'], times: 2 })
  expect(await rig.get('a')).toEqual(BYTES)
  expect(rig.remote.requestCount('read')).toBe(3)
  expect(rig.context.store.get(2, 'a')).toBeDefined()
})

test('a body that always breaks off is an error before any byte', async () => {
  await openWith()
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 9 }, on: ['read'], times: 99 })
  await expect(readObject(rig.context, request())).rejects.toMatchObject({
    code: 'backend-unreachable',
  })
  expect(rig.remote.requestCount('read')).toBe(3)
  await expectNothingHeld()
})

test('bytes other than the store states reach nobody and are not kept', async () => {
  await openWith()
  rig.remote.addFault({ action: { kind: 'corrupt-answer', at: 39_999 }, on: ['read'] })
  await expect(readObject(rig.context, request())).rejects.toMatchObject({
    code: 'backend-corrupt',
  })
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  await expectNothingHeld()
  expect(await rig.get('a')).toEqual(BYTES)
})

test('a version that goes away between two attempts is never mixed with the next', async () => {
  await openWith()
  const next = pattern(40_000, 2)
  const act = (): void => void rig.remote.put('remote', 'a', next)
  rig.remote.addFault({ action: { kind: 'cut-body', afterBytes: 20_000 }, on: ['read'] })
  rig.remote.addFault({ action: { kind: 'at', point: 'start', act }, on: ['read'], skip: 1 })
  expect(await rig.get('a')).toEqual(next)
  expect(await rig.get('a')).toEqual(next)
})

test('a write while it is stored is what the next reader gets', async () => {
  await openWith()
  await readUnstored(50)
  await rig.put('a', 'written')
  expect((await rig.get('a'))?.toString()).toBe('written')
  await expectNothingHeld()
  await rig.restart()
  expect((await rig.get('a'))?.toString()).toBe('written')
})

test('a delete while it is stored leaves nothing', async () => {
  await openWith()
  await readUnstored(50)
  await rig.remove('a')
  await expectNothingHeld()
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
  expect(await rig.get('a')).toBeUndefined()
})

test('an event of another version while it is stored keeps it out of the cache', async () => {
  await openWith()
  await readUnstored(50)
  rig.remote.put('remote', 'a', 'new')
  await rig.target.noticeChange({
    bucket: rig.bucket,
    key: 'a',
    now: { kind: 'unknown' },
    signal,
  })
  expect((await rig.get('a'))?.toString()).toBe('new')
})

test('evicting it counts what was read to its end as cached', async () => {
  await openWith()
  await readUnstored(50)
  const evicted = await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal })
  expect(evicted).toBe(true)
  expect(rig.context.store.get(2, 'a')).toBeUndefined()
})

test.each([
  'gather:verified',
  'commit:begun',
  'commit:journalled',
  'commit:renamed',
  'journal:write',
])(
  'where it cannot be kept for an error at %s, its readers have it and nothing is held',
  async (point) => {
    await openWith()
    armFailpoints(`${point}=throw`)
    expect(await rig.get('a')).toEqual(BYTES)
    await expectNothingHeld()
    expect(rig.warnings).toContain('a fetched object was not kept')
    armFailpoints('')
    expect(await rig.get('a')).toEqual(BYTES)
  },
)

test('who warms it hears why the cache does not have it', async () => {
  await openWith()
  armFailpoints('commit:begun=throw')
  const warming = rig.target.warm({ bucket: rig.bucket, key: 'a', signal })
  await expect(warming).rejects.toMatchObject({ code: 'disk-error' })
})

test('at shutdown who waits is told so, and what is in memory is stored', async () => {
  await openWith()
  rig.remote.put('remote', 'b', BYTES)
  const held = Promise.withResolvers<void>()
  rig.remote.addFault({
    action: { kind: 'at', point: 100, act: () => held.promise },
    on: ['read'],
    key: 'b',
  })
  const waiting = readObject(rig.context, { ...request(), key: 'b' })
  const told = expect(waiting).rejects.toMatchObject({ code: 'unavailable' })
  await readUnstored(20)
  await expect.poll(() => rig.remote.requestCount('read')).toBe(2)
  await rig.target.shutdown()
  held.resolve()
  await told
  expect(rig.context.store.get(2, 'a')).toBeDefined()
})

test('an upload of the very bytes is not disturbed by their gathering', async () => {
  await openWith()
  await readUnstored(20)
  await rig.target.write({
    bucket: rig.bucket,
    key: 'a',
    headers: {},
    metadata: { color: 'blue' },
    conditions: {},
    stated: [],
    md5: true,
    body: bodyOf(BYTES),
    signal,
  })
  const answer = await readObject(rig.context, request())
  expect(answer).toMatchObject({ attributes: { metadata: { color: 'blue' } } })
  expect(await bytesOf(answer)).toEqual(BYTES)
})
