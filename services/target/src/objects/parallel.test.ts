import { createMemoryBackend } from '@forebay/backend-memory/memory-backend'
import type { Backend, BackendBody, ReadOptions, ReadResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import type { Checksum } from '@forebay/model/checksum'
import type { RangeRequest } from '@forebay/model/range'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { patterned } from '../bodies/testing/body-server.ts'
import type { ObjectContext } from './context.ts'
import { SEGMENT_BYTES } from './fetching.ts'
import { readObject } from './read.ts'
import { cachedBucket, Rig } from './testing/rig.ts'

const MIB = 1024 ** 2
const SIZE = 4 * SEGMENT_BYTES + 12_345

/** So slow that one connection is watched, and found too slow, long before it is done. */
const BYTES_PER_SECOND = 40 * MIB
const BUCKET = cachedBucket({ blockBytes: MIB, parallelThresholdBytes: 2 * SEGMENT_BYTES })

const bytes = patterned(SIZE)
const NEVER = new AbortController().signal

let rig: Rig
beforeEach(async () => {
  // Small chunks would wait for the shortest timer that there is.
  rig = await Rig.open(BUCKET, {}, 256 * 1024)
  rig.remote.put('remote', 'a', bytes)
  const action = { kind: 'throttle', bytesPerSecond: BYTES_PER_SECOND } as const
  rig.remote.addFault({ action, on: ['read'], times: 1e6 })
})
afterEach(() => rig.close())

interface Options {
  readonly range?: RangeRequest
  readonly signal?: AbortSignal
  readonly onChunk?: (gotBytes: number) => void | Promise<void>
}

/** Reads the object `a`; what came before a failure is in `got`. */
async function read(context: ObjectContext, got: Buffer[], options: Options = {}): Promise<void> {
  const { range, onChunk, signal = new AbortController().signal } = options
  const place = { bucket: rig.bucket, key: 'a', signal, conditions: {} }
  const answer = await readObject(context, { ...place, range })
  if (answer.kind !== 'found') throw new Error(answer.kind)
  let gotBytes = 0
  await answer.body.pump(async (chunk) => {
    got.push(Buffer.from(chunk))
    gotBytes += chunk.length
    await onChunk?.(gotBytes)
  }, signal)
}

async function readAll(context: ObjectContext, options: Options = {}): Promise<Buffer> {
  const got: Buffer[] = []
  await read(context, got, options)
  return Buffer.concat(got)
}

/** The rig's context with some other answers. */
function answering(
  change: (options: ReadOptions, read: Backend['read']) => Promise<ReadResult>,
): ObjectContext {
  const backend = createMemoryBackend(rig.remote, 'remote')
  const changed = { ...backend, read: (options: ReadOptions) => change(options, backend.read) }
  return { ...rig.context, backendOf: () => changed }
}

function stating(checksum: Checksum): ObjectContext {
  return answering(async (options, ask) => {
    const result = await ask(options)
    if (result.kind !== 'found') return result
    return { ...result, attributes: { ...result.attributes, checksums: [checksum] } }
  })
}

type Pump = BackendBody['pump']

/** The answer with another way to get at its bytes. */
function pumping(result: ReadResult, change: (pump: Pump) => Pump): ReadResult {
  if (result.kind !== 'found') return result
  const { body } = result
  const pump = change((write) => body.pump(write))
  const { lengthBytes } = body
  return { ...result, body: { lengthBytes, pump, discard: () => body.discard() } }
}

/** The ranges that were asked for, in this order; undefined is the whole. */
function asked() {
  return rig.remote
    .log()
    .filter(({ operation }) => operation === 'read')
    .map(({ range }) => range)
}

describe('a large object whose connection is slow', () => {
  test('is fetched by several connections, each byte by one, and kept whole', async () => {
    expect((await readAll(rig.context)).equals(bytes)).toBe(true)
    await rig.idle()
    const [first, ...ranges] = asked()
    expect(first).toBeUndefined()
    expect(ranges.length).toBeGreaterThanOrEqual(2)
    // Nobody waits for what is far behind: the ranges follow each other.
    const starts = ranges.map((range) => range?.offset ?? -1)
    expect(starts).toEqual([...starts].sort((one, other) => one - other))
    // What is under way when a connection is cut is the most that comes twice.
    expect(rig.remote.bytesRead).toBeLessThan(SIZE + MIB)
    expect(rig.context.store.get(2, 'a')?.blocks).toBeUndefined()
    expect(rig.context.fills.share.taken).toBe(0)
    rig.remote.clearFaults()
    const before = rig.remote.requestCount('read')
    expect((await readAll(rig.context)).equals(bytes)).toBe(true)
    expect(rig.remote.requestCount('read')).toBe(before)
  })

  test('is asked for in segments of the length that is wanted', async () => {
    expect((await readAll({ ...rig.context, segmentBytes: 2 * MIB })).equals(bytes)).toBe(true)
    const [, ...ranges] = asked()
    const lengths = ranges.map((range) => range?.lengthBytes ?? SIZE)
    expect(lengths.length).toBeGreaterThanOrEqual(2)
    expect(Math.max(...lengths)).toBe(2 * MIB)
  })

  test('is read by many at the cost of one', async () => {
    const readers = Array.from({ length: 12 }, () => readAll(rig.context))
    for (const got of await Promise.all(readers)) expect(got.equals(bytes)).toBe(true)
    expect(rig.remote.bytesRead).toBeLessThan(SIZE + MIB)
  })

  test('is asked for with no more connections than the settings allow', async () => {
    let running = 0
    let most = 0
    const count = (change: number): void => {
      running += change
      most = Math.max(most, running)
    }
    const counted = answering(async (options, ask) => {
      const result = await ask(options)
      count(1)
      return pumping(result, (pump) => (write) => pump(write).finally(() => count(-1)))
    })
    // How many it would take by itself is a matter of how fast this machine is just now.
    await readAll({ ...counted, connectionsPerObjectMax: 2 })
    expect(most).toBe(2)
    rig.remote.put('remote', 'b', bytes)
    await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal: never })
    most = 0
    await readAll({ ...counted, connectionsPerObjectMax: 1 })
    expect(most).toBe(1)
  })

  test('brings a reader far behind its bytes before what nobody waits for', async () => {
    const late = SIZE - 1000
    const whole = readAll(rig.context)
    const range = { kind: 'from-to', first: late, last: SIZE - 1 } as const
    const lateGot = await readAll(rig.context, { range })
    expect(lateGot.equals(bytes.subarray(late))).toBe(true)
    // The first thing that was asked for after the whole.
    expect(asked()[1]).toEqual({ offset: 4 * SEGMENT_BYTES, lengthBytes: 12_345 })
    expect((await whole).equals(bytes)).toBe(true)
  })

  test('goes on by itself when its readers left, where that is the policy', async () => {
    const leaving = new AbortController()
    const onChunk = (gotBytes: number): void => {
      if (gotBytes > 12 * MIB) leaving.abort(new Error('left'))
    }
    const finishing = { ...rig.context, whenAbandoned: 'finish' } as const
    const reading = read(finishing, [], { signal: leaving.signal, onChunk })
    await expect(reading).rejects.toThrow('left')
    await rig.idle()
    expect(rig.remote.bytesRead).toBeGreaterThanOrEqual(SIZE)
    expect(rig.context.store.get(2, 'a')).toMatchObject({ attributes: { sizeBytes: SIZE } })
    expect(rig.context.store.get(2, 'a')?.blocks).toBeUndefined()
  })

  test('keeps what came when its readers left, and fetches only the rest later', async () => {
    const leaving = new AbortController()
    const onChunk = (gotBytes: number): void => {
      if (gotBytes > 16 * MIB) leaving.abort(new Error('left'))
    }
    const reading = read(rig.context, [], { signal: leaving.signal, onChunk })
    await expect(reading).rejects.toThrow('left')
    await rig.idle()
    expect(rig.remote.bytesRead).toBeLessThan(SIZE)
    expect(rig.context.store.totals().reservedBytes).toBe(0)
    expect(rig.context.store.get(2, 'a')?.blocks).toBeDefined()
    expect((await readAll(rig.context)).equals(bytes)).toBe(true)
    // Of blocks that were under way the beginning may come twice.
    expect(rig.remote.bytesRead).toBeLessThan(SIZE + 16 * MIB)
  })
})

const never = new AbortController().signal

test('rule 6: without a pin a large object is fetched by one connection', async () => {
  rig.remote.validators = 'none'
  expect((await readAll(rig.context)).equals(bytes)).toBe(true)
  expect(asked()).toEqual([undefined])
})

test('a crash in the midst of several connections leaves nothing wrong', async () => {
  const reading = (): Promise<Buffer> =>
    readAll(rig.context, {
      onChunk: async (gotBytes) => {
        if (gotBytes > 16 * MIB && !crashing) {
          crashing = true
          several.resolve(asked().length)
        }
      },
    })
  let crashing = false
  const several = Promise.withResolvers<number>()
  const work = reading().catch(() => undefined)
  expect(await several.promise).toBeGreaterThan(1)
  await rig.crash()
  await work
  expect(rig.context.store.totals().reservedBytes).toBe(0)
  expect((await readAll(rig.context)).equals(bytes)).toBe(true)
})

describe('an origin that does not do as it is asked', () => {
  test('gives no ranges: the connection that there is brings everything', async () => {
    const context = answering((options, ask) => ask({ ...options, range: undefined }))
    expect((await readAll(context)).equals(bytes)).toBe(true)
    await rig.idle()
    expect(rig.remote.requestCount('read')).toBe(2)
    expect(rig.context.store.get(2, 'a')?.attributes.sizeBytes).toBe(SIZE)
  })

  test('has another version when the second connection asks: the first one ends, and is not kept', async () => {
    let swapped = false
    const context = answering((options, ask) => {
      if (options.range !== undefined && !swapped) {
        swapped = true
        rig.remote.put('remote', 'a', patterned(SIZE + 1))
      }
      return ask(options)
    })
    expect((await readAll(context)).equals(bytes)).toBe(true)
    await rig.idle()
    expect(swapped).toBe(true)
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
  })

  test('has another version in the midst of many connections: no answer mixes the two', async () => {
    const young = patterned(SIZE).reverse()
    let asks = 0
    const context = answering((options, ask) => {
      asks += 1
      if (asks === 3) rig.remote.put('remote', 'a', young)
      return ask(options)
    })
    const got: Buffer[] = []
    await expect(read(context, got)).rejects.toMatchObject({ code: 'backend-changed' })
    const beginning = Buffer.concat(got)
    expect(beginning.equals(bytes.subarray(0, beginning.length))).toBe(true)
    await rig.idle()
    expect(rig.context.store.get(2, 'a')).toBeUndefined()
    expect((await readAll(rig.context)).equals(young)).toBe(true)
  })

  test('breaks connections: their blocks come by others', async () => {
    const cut = { kind: 'cut-body', afterBytes: 3 * MIB + 77 } as const
    rig.remote.addFault({ action: cut, on: ['read'], skip: 1, times: 4 })
    expect((await readAll(rig.context)).equals(bytes)).toBe(true)
    expect(rig.remote.bytesRead).toBeLessThan(SIZE + 8 * MIB)
  })

  test('refuses further connections: the first one goes on', async () => {
    const context = answering((options, ask) => {
      if (options.range !== undefined) throw new Failure('backend-throttled', 'slow down')
      return ask(options)
    })
    expect((await readAll(context)).equals(bytes)).toBe(true)
  })

  test('allows two connections at a time: what they bring is what there is', async () => {
    let open = 0
    let refused = 0
    const context = answering(async (options, ask) => {
      if (open >= 2) {
        refused += 1
        throw new Failure('backend-throttled', 'slow down')
      }
      open += 1
      const end = (): void => {
        open -= 1
      }
      return pumping(await ask(options), (pump) => (write) => pump(write).finally(end))
    })
    // What pays is measured: on a busy machine one read may come by one connection.
    for (let attempt = 0; attempt < 5 && refused <= 2; attempt++) {
      await rig.target.evict({ bucket: rig.bucket, key: 'a', conditions: {}, signal: NEVER })
      expect((await readAll(context)).equals(bytes)).toBe(true)
      await rig.idle()
    }
    expect(refused).toBeGreaterThan(2)
    expect(rig.context.fills.share.taken).toBe(0)
    expect(rig.context.store.totals().reservedBytes).toBe(0)
  })

  test('never answers a further connection: the read does not wait for it, nor hold anything', async () => {
    rig.remote.addFault({ action: { kind: 'hang' }, on: ['read'], skip: 1, times: 1 })
    expect((await readAll(rig.context)).equals(bytes)).toBe(true)
    await rig.idle()
    expect(rig.context.fills.share.taken).toBe(0)
    expect(rig.context.store.totals().reservedBytes).toBe(0)
  })

  test('loses a range for good: the read fails, and says so', async () => {
    let asks = 0
    const context = answering((options, ask) => {
      asks += 1
      if (asks >= 3) throw new Failure('backend-unreachable', 'gone')
      return ask(options)
    })
    await expect(read(context, [])).rejects.toMatchObject({ code: 'backend-unreachable' })
    await rig.idle()
    expect(rig.context.store.totals().reservedBytes).toBe(0)
    // What came is not lost.
    expect(rig.context.store.get(2, 'a')?.blocks).toBeDefined()
  })
})

describe('an object that came by several connections', () => {
  test.each(['crc32c', 'sha256', undefined] as const)(
    'has the checksums of all of its bytes when the first connection ends last: %s',
    async (algorithm) => {
      const stated = algorithm && {
        algorithm,
        kind: 'whole' as const,
        hex: hashBuffer(algorithm, bytes),
      }
      const others = Promise.withResolvers<void>()
      const context = answering(async (options, ask) => {
        const result = await ask(options)
        if (result.kind !== 'found') return result
        const { attributes } = result
        const checksums = stated === undefined ? [] : [stated]
        const answer = { ...result, attributes: { ...attributes, checksums } }
        if (options.range !== undefined) return answer
        return pumping(
          answer,
          (pump) => (write) =>
            pump(async (chunk) => {
              await write(chunk)
              await others.promise
            }),
        )
      })
      const alone = { ...context, connectionsPerObjectMax: 1 }
      const whole = readAll(alone)
      const first = 3 * SEGMENT_BYTES
      const range = { kind: 'from-to', first, last: SIZE - 1 } as const
      // So far ahead that it takes the end over from the first connection.
      expect((await readAll(alone, { range })).equals(bytes.subarray(first))).toBe(true)
      others.resolve()
      expect((await whole).equals(bytes)).toBe(true)
      await rig.idle()
      expect(asked()).toHaveLength(2)
      const record = rig.context.store.get(2, 'a')
      const xxh64 = hashBuffer('xxh64', bytes)
      expect(record?.contentXxh64 ?? xxh64).toBe(xxh64)
      expect(record?.attributes.sizeBytes).toBe(SIZE)
    },
  )

  test.each(['crc32', 'crc32c', 'crc64nvme', 'sha256'] as const)(
    'is verified against the %s that the backend states of the whole',
    async (algorithm) => {
      const hex = hashBuffer(algorithm, bytes)
      const context = stating({ algorithm, kind: 'whole', hex })
      expect((await readAll(context)).equals(bytes)).toBe(true)
      await rig.idle()
      expect(asked().length).toBeGreaterThanOrEqual(3)
      expect(rig.context.store.get(2, 'a')?.attributes.sizeBytes).toBe(SIZE)
    },
  )

  test.each(['crc32', 'crc32c', 'crc64nvme', 'sha256'] as const)(
    'is neither given to its end nor kept when it does not match its %s',
    async (algorithm) => {
      const hex = hashBuffer(algorithm, bytes)
      const action = { kind: 'corrupt-answer', at: 3 * SEGMENT_BYTES + 5 } as const
      rig.remote.addFault({ action, on: ['read'], times: 100 })
      const got: Buffer[] = []
      const reading = read(stating({ algorithm, kind: 'whole', hex }), got)
      await expect(reading).rejects.toMatchObject({ code: 'backend-corrupt' })
      expect(Buffer.concat(got).length).toBeLessThan(SIZE)
      await rig.idle()
      expect(asked().length).toBeGreaterThanOrEqual(3)
      expect(rig.context.store.get(2, 'a')).toBeUndefined()
    },
  )
})
