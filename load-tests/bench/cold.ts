/**
 * Objects that are not in the cache yet: how long until the first byte, how fast the rest, and how
 * much the origin is asked for. The origin is versitygw, behind a relay that limits each connection
 * and counts. Origin, server and client share the cores, as in the measurement of AIStore that the
 * figures are compared with.
 */
import { truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { runCommand } from '../testkit/run-command.ts'
import type { BenchContext } from './bench-context.ts'
import { measureParallel } from './cold-parallel.ts'
import { load, MIB, ms, rateOf, read, relayed, startForebayBefore } from './cold-setup.ts'
import { type Contender, createBucket, fill, startPlainVersitygw } from './contenders.ts'
import { targetsOf } from './requests.ts'
import { median } from './statistics.ts'
import { startThrottle, type Throttle } from './throttle.ts'

const GIB = 1024 ** 3
const BUCKET = 'origin'

/** Limit of each connection to the origin. */
const ORIGIN_BYTES_PER_SECOND = 100 * MIB

const SMALL = { folder: 'first-byte', sizeBytes: 4 * MIB, count: 20 }
const LARGE = { folder: 'whole', sizeBytes: 256 * MIB, count: 3 }
const SHARED = { folder: 'shared', sizeBytes: 64 * MIB, count: 1 }
const READERS = 500
const HUGE = { folder: 'huge', sizeBytes: 1, count: 1 }
const HUGE_BYTES = 10 * GIB
const BLOCK_BYTES = 4 * MIB

/** Heads of answers, and the XML of look-ups, that the relay counts beside the bodies. */
const OVERHEAD_BYTES_MAX = 64 * 1024

/** What AIStore reached for a cold object of 1 GiB on this class of machine, and what twice that is. */
export const AISTORE_COLD_MIB_PER_SECOND = 171

/** A figure with its bar, where it has one. */
export type Figure = {
  readonly what: string
  readonly value: number
  readonly unit: string
  readonly bar?: string
  readonly met?: boolean
}

/** @param options.parallelBytes size of the object that several connections bring */
export async function measureCold(
  context: BenchContext,
  options: { readonly parallelBytes: number },
): Promise<readonly Figure[]> {
  const origin = await startPlainVersitygw(context, { anyCore: true })
  await createBucket(origin, BUCKET)
  context.say('storing the objects at the origin ...')
  for (const set of [SMALL, LARGE, SHARED]) await fill(context, origin, { ...set, bucket: BUCKET })
  const unlimitedBytes = GIB
  await fill(context, origin, {
    folder: 'fast',
    sizeBytes: unlimitedBytes,
    count: 1,
    bucket: BUCKET,
  })
  await makeSparseObject(context, origin)
  const throttle = await startThrottle({
    originPort: origin.server.port,
    bytesPerSecond: ORIGIN_BYTES_PER_SECOND,
  })
  try {
    const limited = await startForebayBefore(context, { name: 'forebay', endpoint: throttle.url })
    const through = relayed(origin, throttle)
    const figures = [
      ...(await measureFirstByte(context, through, limited)),
      ...(await measureWhole(context, through, limited)),
      ...(await measureRange(context, limited, throttle)),
      ...(await measureReaders(context, limited, throttle)),
    ]
    await limited.server.stop()
    return [
      ...figures,
      ...(await measureUnlimited(context, origin)),
      ...(await measureParallel(context, origin, options.parallelBytes)),
    ]
  } finally {
    await throttle.close()
  }
}

/** The first object of a bucket also brings the bucket in: it is read before anything is timed. */
async function measureFirstByte(
  context: BenchContext,
  origin: Contender,
  forebay: Contender,
): Promise<readonly Figure[]> {
  const targets = targetsOf(BUCKET, SMALL.folder, SMALL.count)
  await read(context, forebay, { name: 'warm', targets: targetsOf(BUCKET, LARGE.folder, 1) })
  await read(context, origin, { name: 'warm', targets })
  const direct = await read(context, origin, { name: 'first', targets })
  const cold = await read(context, forebay, { name: 'first', targets })
  const warm = await read(context, forebay, { name: 'first', targets })
  const addedMs = (cold.firstByteP50Us - direct.firstByteP50Us) / 1000
  return [
    ms('first byte, origin directly (median of 20)', direct.firstByteP50Us),
    ms('first byte, absent object (median of 20)', cold.firstByteP50Us),
    ms('first byte, present object (median of 20)', warm.firstByteP50Us),
    { what: 'first byte, added', value: addedMs, unit: 'ms', bar: '<= 30', met: addedMs <= 30 },
  ]
}

async function measureWhole(
  context: BenchContext,
  origin: Contender,
  forebay: Contender,
): Promise<readonly Figure[]> {
  const direct: number[] = []
  const cold: number[] = []
  // The first one is in the cache by now.
  for (const target of targetsOf(BUCKET, LARGE.folder, LARGE.count).slice(1)) {
    direct.push(rateOf(await read(context, origin, { name: 'whole', targets: [target] })))
    cold.push(rateOf(await read(context, forebay, { name: 'whole', targets: [target] })))
  }
  const share = median(cold) / median(direct)
  return [
    { what: 'whole 256 MiB, origin limited, directly', value: median(direct), unit: 'MiB/s' },
    { what: 'whole 256 MiB, origin limited, absent object', value: median(cold), unit: 'MiB/s' },
    { what: 'whole, share of direct', value: share, unit: 'x', bar: '>= 0.9', met: share >= 0.9 },
  ]
}

async function measureRange(
  context: BenchContext,
  forebay: Contender,
  throttle: Throttle,
): Promise<readonly Figure[]> {
  throttle.reset()
  // Across the border of two blocks, deep in the object.
  const from = 5 * GIB + 3 * BLOCK_BYTES - MIB / 2
  const request = {
    method: 'GET' as const,
    target: targetsOf(BUCKET, HUGE.folder, HUGE.count)[0] ?? '',
    headers: { range: `bytes=${from}-${from + MIB - 1}` },
  }
  const result = await load(context, forebay, { name: 'range', list: [request] })
  const { bytesDown, requests } = await throttle.settled()
  const most = 2 * BLOCK_BYTES + OVERHEAD_BYTES_MAX
  return [
    ms('1 MiB of an absent 10 GiB object', result.p50Us),
    {
      what: `the same, read from the origin (${requestText(requests)})`,
      value: bytesDown / MIB,
      unit: 'MiB',
      bar: '<= 2 blocks of 4 MiB',
      met: result.bytes === MIB && bytesDown <= most,
    },
  ]
}

async function measureReaders(
  context: BenchContext,
  forebay: Contender,
  throttle: Throttle,
): Promise<readonly Figure[]> {
  throttle.reset()
  const list = targetsOf(BUCKET, SHARED.folder, 1).map((target) => ({
    method: 'GET' as const,
    target,
  }))
  const part = { name: 'readers', list, connections: READERS, count: READERS }
  const result = await load(context, forebay, part)
  const { bytesDown, requests } = await throttle.settled()
  const once = bytesDown <= SHARED.sizeBytes + OVERHEAD_BYTES_MAX
  return [
    {
      what: `${READERS} readers of one absent 64 MiB object, all bytes`,
      value: result.bytes / MIB,
      unit: 'MiB',
      bar: `= ${(READERS * SHARED.sizeBytes) / MIB}`,
      met: result.bytes === READERS * SHARED.sizeBytes,
    },
    {
      what: `the same, read from the origin (${requestText(requests)})`,
      value: bytesDown / MIB,
      unit: 'MiB',
      bar: 'once',
      met: once,
    },
  ]
}

/**
 * 1 GiB from an origin that is not limited; a fresh node each time, since there is one object. It has
 * read another object before, as a node that runs has.
 */
async function measureUnlimited(
  context: BenchContext,
  origin: Contender,
): Promise<readonly Figure[]> {
  // What the origin was given before must not be on its way to the disk meanwhile.
  await runCommand('sync', [])
  const targets = targetsOf(BUCKET, 'fast', 1)
  const direct = rateOf(await read(context, origin, { name: 'fast', targets }))
  const rates: number[] = []
  for (const attempt of [1, 2, 3]) {
    const name = `forebay-fast-${attempt}`
    const forebay = await startForebayBefore(context, { name, endpoint: origin.server.url })
    const others = targetsOf(BUCKET, LARGE.folder, LARGE.count)
    await read(context, forebay, { name: 'warm', targets: others })
    rates.push(rateOf(await read(context, forebay, { name: 'fast', targets })))
    await forebay.server.stop()
  }
  const typical = median(rates)
  const wanted = 2 * AISTORE_COLD_MIB_PER_SECOND
  return [
    { what: 'whole 1 GiB, origin unlimited, directly', value: direct, unit: 'MiB/s' },
    {
      what: 'the same, absent object, median of 3',
      value: typical,
      unit: 'MiB/s',
      bar: `>= ${wanted}`,
      met: typical >= wanted,
    },
    { what: 'the same, best of 3', value: Math.max(...rates), unit: 'MiB/s' },
  ]
}

/**
 * 10 GiB of nothing: an object of one byte, so that the origin gives it an ETag, whose file is then
 * made longer behind its back.
 */
async function makeSparseObject(context: BenchContext, origin: Contender): Promise<void> {
  const [target = ''] = targetsOf(BUCKET, HUGE.folder, HUGE.count)
  await fill(context, origin, { ...HUGE, bucket: BUCKET })
  await truncate(join(context.folder, 'versitygw', target), HUGE_BYTES)
}

function requestText(requests: Readonly<Record<string, number>>): string {
  return Object.entries(requests)
    .map(([method, count]) => `${count} ${method}`)
    .join(', ')
}
