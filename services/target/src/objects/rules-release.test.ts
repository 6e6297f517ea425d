import { fstatSync, mkdirSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Backend } from '@forebay/backend-port/backend'
import { armFailpoints } from '@forebay/base/failpoint'
import type { Conditions } from '@forebay/model/conditions'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { diskGateOf } from '../os/disk-gate.ts'
import { openTestStore, temporaryDirectory } from '../store/testing/store-fixture.ts'
import { readObject } from './read.ts'
import { bodyOf, cachedBucket, NATIVE, pattern, Rig } from './testing/rig.ts'
import { writeObject } from './write.ts'

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

/** Everything that one request may hold is given back; descriptors are closed behind the answer. */
async function expectNothingHeld(): Promise<void> {
  await rig.idle()
  const { context } = rig
  await expect
    .poll(
      () => ({
        held: openFiles()
          .filter((path) => /\/\.forebay\/(work|partial)\//.test(path))
          .filter((path) => !rig.spareFiles.some((spare) => path.endsWith(`/${spare}`))),
        fills: context.fills.activeCount,
        works: rig.openWorkCount,
        tokens: context.generations.openCount,
        reserved: context.store.totals().reservedBytes,
      }),
      { timeout: 5000, interval: 5 },
    )
    .toEqual({ held: [], fills: 0, works: 0, tokens: 0, reserved: 0 })
  expect(unhandled).toEqual([])
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
  await rig.idle()
  for (let n = 0; n < 20; n++) {
    await rig.target.evict({ bucket: rig.bucket, key: `k${n}`, conditions: {}, signal })
  }
  // What is deleted and still open is somebody's.
  await expect
    .poll(() => openFiles().filter((path) => path.includes('deleted')), { timeout: 5000 })
    .toEqual([])
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

test.each([
  ['sparse', range(0, 9)],
  ['whole', {}],
])('an opening, %s, whose only reader left is ended and keeps what came', async (_, wanted) => {
  rig = await Rig.open(sparse)
  rig.remote.put('remote', 'a', pattern(50 * BLOCK))
  const leaving = new AbortController()
  const act = (): void => leaving.abort(new Error('left'))
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act } })
  const request = { bucket: rig.bucket, key: 'a', conditions: {}, ...wanted }
  await expect(readObject(rig.context, { ...request, signal: leaving.signal })).rejects.toThrow(
    'left',
  )
  await expectNothingHeld()
  expect(rig.remote.bytesRead).toBeLessThan(10 * BLOCK)
})

test('a write whose client leaves while it waits for the key ends at the backend too', async () => {
  rig = await Rig.open()
  const uploads = countUploads()
  const release = await rig.context.locks.acquire('2/a')
  const leaving = new AbortController()
  const writing = writeObject(uploads.context, {
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
  while (rig.remote.bytesWritten < 400_000) await turns(1)
  leaving.abort(new Error('left'))
  await failed
  expect(uploads).toMatchObject({ begun: 1, ended: 1 })
  release()
  await expectNothingHeld()
})

/** The rig's context over a backend that counts uploads. */
function countUploads() {
  const counts = { begun: 0, ended: 0 }
  const backend = rig.context.backendOf(rig.bucket)
  const { mutations } = backend
  if (mutations === undefined) throw new Error('the backend cannot be written')
  const counting: Backend = {
    ...backend,
    mutations: {
      ...mutations,
      write: (options, body) => {
        counts.begun += 1
        return mutations.write(options, body).finally(() => {
          counts.ended += 1
        })
      },
    },
  }
  return Object.assign(counts, { context: { ...rig.context, backendOf: () => counting } })
}

test('a key that is overwritten whenever it is asked for is read and named all the same', async () => {
  rig = await Rig.open(cachedBucket({ revalidate: { kind: 'always' } }))
  await rig.put('a', 'first')
  let count = 0
  const act = async (): Promise<void> => {
    count += 1
    await rig.put('a', `version ${count}`)
  }
  const fault = { action: { kind: 'at', point: 'answer', act }, on: ['head'] } as const
  rig.remote.addFault({ ...fault, times: 5 })
  expect(String(await rig.get('a'))).toBe('version 5')
  rig.remote.addFault({ ...fault, times: 5 })
  expect(await rig.head('a')).toMatchObject({ kind: 'found', attributes: { sizeBytes: 10 } })
  expect(count).toBe(10)
})

test('a disk that takes no work file refuses no read and no HEAD', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', pattern(100_000))
  const work = join(rig.directory, 'mp/.forebay/work')
  rmSync(work, { recursive: true })
  expect(await rig.get('a')).toEqual(pattern(100_000))
  expect(await rig.get('a', range(5, 9))).toEqual(pattern(100_000).subarray(5, 10))
  expect(await rig.head('a')).toMatchObject({ kind: 'found' })
  expect(rig.reads).toEqual(['bypass', 'bypass'])
  mkdirSync(work)
  await expectNothingHeld()
  expect(await rig.get('a')).toEqual(pattern(100_000))
})

test('an entry of another version that cannot be removed is not served', async () => {
  rig = await Rig.open()
  await rig.put('a', 'old')
  rig.remote.put('remote', 'a', 'young')
  rig.clock.shiftMs += 10 * 60_000
  armFailpoints('journal:write=throw')
  expect(String(await rig.get('a'))).toBe('young')
  expect(await rig.head('a')).toMatchObject({ kind: 'found', attributes: { sizeBytes: 5 } })
  armFailpoints('')
  expect(String(await rig.get('a'))).toBe('young')
  await expectNothingHeld()
})

test('what other connections still bring stays reserved when the first blocks are kept', async () => {
  rig = await Rig.open(sparse)
  rig.remote.put('remote', 'a', pattern(40 * BLOCK))
  let reserved = -1
  const act = async (): Promise<void> => {
    while (rig.context.store.get(2, 'a') === undefined) await turns(1)
    await turns(5)
    reserved = rig.context.store.totals().reservedBytes
  }
  rig.remote.addFault({ action: { kind: 'at', point: 'answer', act }, on: ['read'], skip: 1 })
  await Promise.all([rig.get('a', range(0, 9)), rig.get('a', range(10 * BLOCK, 10 * BLOCK + 9))])
  expect(reserved).toBeGreaterThanOrEqual(BLOCK)
  await expectNothingHeld()
})

test('a work file given up while it waits for room leaves the room of others alone', async () => {
  rig = await Rig.open()
  const { store } = await openTestStore([temporaryDirectory()], { capacityBytes: 64 * 1024 ** 2 })
  const other = await store.createWork(NATIVE, 'other', 20 * 1024 ** 2)
  const work = await store.createWork(NATIVE, 'a', 1024)
  const growing = expect(work.reserve(60 * 1024 ** 2)).rejects.toThrow()
  work.discard()
  await growing
  expect(store.totals().reservedBytes).toBe(20 * 1024 ** 2)
  other.discard()
  expect(store.totals().reservedBytes).toBe(0)
  await store.close()
})

test('one object is fetched by at most 8 connections, however many blocks are asked for', async () => {
  rig = await Rig.open(sparse)
  rig.remote.put('remote', 'a', pattern(40 * BLOCK))
  await rig.get('a', range(0, 9))
  await rig.idle()
  let running = 0
  let most = 0
  rig.remote.addFault({
    action: {
      kind: 'at',
      point: 'start',
      act: async () => {
        running += 1
        most = Math.max(most, running)
        await rig.clock.sleep(5)
        running -= 1
      },
    },
    on: ['read'],
    times: 100,
  })
  const first = (n: number): number => (2 * n + 1) * BLOCK
  const reads = Array.from({ length: 19 }, (_, n) => rig.get('a', range(first(n), first(n) + 9)))
  const answers = await Promise.all(reads)
  const bytes = pattern(40 * BLOCK)
  expect(answers).toEqual(answers.map((_, n) => bytes.subarray(first(n), first(n) + 10)))
  expect(most).toBe(8)
})

test.each([
  'fill:verified',
  'commit:begun',
  'commit:journalled',
  'commit:renamed',
  'journal:write',
])(
  'a read whose copy cannot be kept for an error at %s is whole, and holds nothing',
  async (point) => {
    rig = await Rig.open()
    rig.remote.put('remote', 'a', pattern(300_000))
    armFailpoints(`${point}=throw`)
    expect(await rig.get('a')).toEqual(pattern(300_000))
    await rig.idle()
    armFailpoints('')
    await expectNothingHeld()
    expect(await rig.get('a')).toEqual(pattern(300_000))
  },
)

test.each(['fill:blocks-written', 'commit:begun', 'commit:journalled', 'journal:write'])(
  'blocks that cannot be kept for an error at %s are read, and hold nothing',
  async (point) => {
    rig = await Rig.open(sparse)
    rig.remote.put('remote', 'a', pattern(20 * BLOCK))
    armFailpoints(`${point}=throw`)
    expect(await rig.get('a', range(5, 9))).toEqual(pattern(20 * BLOCK).subarray(5, 10))
    await rig.idle()
    armFailpoints('')
    await expectNothingHeld()
    expect(await rig.get('a')).toEqual(pattern(20 * BLOCK))
  },
)

test('storms of readers and writers that leave at any moment hold nothing afterwards', async () => {
  rig = await Rig.open(sparse)
  const random = sequenceOf(7)
  for (let key = 0; key < 4; key++) rig.remote.put('remote', `k${key}`, pattern(20 * BLOCK, key))
  rig.remote.addFault({ action: { kind: 'delay', ms: 1 }, times: 1e6, probability: 0.3 })
  rig.remote.addFault({
    action: { kind: 'cut-body', afterBytes: 3 * BLOCK },
    times: 1e6,
    probability: 0.1,
  })
  rig.remote.addFault({ action: { kind: 'drop-answer' }, times: 1e6, probability: 0.05 })
  const one = async (): Promise<void> => {
    const leaving = new AbortController()
    const timer = setTimeout(() => leaving.abort(new Error('left')), random(12))
    try {
      await act(random, leaving.signal)
    } catch {
      // Whatever came of it: what counts is what it holds afterwards.
    } finally {
      clearTimeout(timer)
    }
  }
  for (let round = 0; round < 20; round++) await Promise.all(Array.from({ length: 20 }, one))
  rig.remote.clearFaults()
  await expectNothingHeld()
  rig.clock.shiftMs += 10 * 60_000
  for (let key = 0; key < 4; key++) {
    expect(await rig.get(`k${key}`)).toEqual(rig.remote.bytes('remote', `k${key}`))
  }
})

/** One request of a client that leaves when `leaving` says so. */
async function act(random: (below: number) => number, leaving: AbortSignal): Promise<void> {
  const address = { bucket: rig.bucket, key: `k${random(4)}`, signal: leaving }
  const kind = random(6)
  if (kind === 0) {
    const body = bodyOf(pattern(random(300_000), random(1000) + 1))
    const described = { headers: {}, metadata: {}, conditions: {}, stated: [], md5: true, body }
    await rig.target.write({ ...address, ...described })
  } else if (kind === 1 && random(4) === 0) {
    await rig.target.evict({ ...address, conditions: {} })
  } else if (kind === 2) {
    await rig.target.head({ ...address, conditions: { ifNoneMatch: ['x'] } })
  } else {
    const first = random(20 * BLOCK)
    const wanted = kind === 3 ? {} : range(first, first + random(2 * BLOCK))
    const answer = await readObject(rig.context, { ...address, conditions: {}, ...wanted })
    if (answer.kind !== 'found') return
    if (random(5) === 0) answer.body.close()
    else await answer.body.pump(() => undefined, leaving)
  }
}

/** Whole numbers below what is asked for, always the same ones for one seed. */
function sequenceOf(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

test('a fill that is cancelled while its file is looked at keeps the file open for that long', async () => {
  rig = await Rig.open(sparse)
  const size = 64 * BLOCK
  rig.remote.put('remote', 'a', pattern(size))
  await rig.get('a', range(0, size - BLOCK - 1))
  await rig.idle()
  const reading = rig.get('a', range(size - BLOCK, size - 1))
  let fill = rig.context.fills.get('2/a')
  while (fill?.completing === undefined) {
    await new Promise((resolve) => setImmediate(resolve))
    fill = rig.context.fills.get('2/a')
  }
  // What reads the file now waits for its turn at the disk.
  const { ino } = fstatSync(fill.fd)
  const holding = Promise.withResolvers<void>()
  const held = Array.from({ length: 4 }, () => diskGateOf(fill.fd).run(() => holding.promise))
  await rig.context.fills.cancelAll(new Error('over'))
  await expect(reading).rejects.toThrow('over')
  await turns()
  expect(fstatSync(fill.fd).ino).toBe(ino)
  holding.resolve()
  await Promise.all(held)
  await fill.completing
  await expectNothingHeld()
  expect(rig.context.store.get(2, 'a')?.blocks).toBeDefined()
})
