/**
 * A large object that is not in the cache yet, from an origin that gives each connection little: how
 * much faster several connections bring it than one, and what that does to the first byte.
 */
import { runCommand } from '../testkit/run-command.ts'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { load, MIB, ms, rateOf, read, relayed, startForebayBefore } from './cold-setup.ts'
import { type Contender, createBucket, fill, startPlainVersitygw } from './contenders.ts'
import { targetsOf } from './requests.ts'
import { median } from './statistics.ts'
import { startThrottle, type Throttle } from './throttle.ts'

const BUCKET = 'parallel'

/** Limit of each connection to the origin. */
const ORIGIN_BYTES_PER_SECOND = 25 * MIB

/** Read from the origin directly, to see what one connection brings. */
const ONE_STREAM_BYTES = 64 * MIB

/** Large enough for several connections, which the first byte must not notice. */
const FIRST_BYTE = { folder: 'first', sizeBytes: 40 * MIB, count: 7 }

/** What connections bring that are cut when others have taken their blocks over, and heads. */
const OVERHEAD_BYTES_MAX = 16 * MIB

/** The measurement alone, with an origin of its own. */
export async function measureParallelAlone(
  context: BenchContext,
  sizeBytes: number,
): Promise<readonly Figure[]> {
  const origin = await startPlainVersitygw(context, { anyCore: true })
  return measureParallel(context, origin, sizeBytes)
}

export async function measureParallel(
  context: BenchContext,
  origin: Contender,
  sizeBytes: number,
): Promise<readonly Figure[]> {
  await createBucket(origin, BUCKET)
  await fill(context, origin, { ...FIRST_BYTE, bucket: BUCKET })
  await fill(context, origin, { folder: 'large', sizeBytes, count: 1, bucket: BUCKET })
  await runCommand('sync', [])
  const [large = ''] = targetsOf(BUCKET, 'large', 1)
  const throttle = await startThrottle({
    originPort: origin.server.port,
    bytesPerSecond: ORIGIN_BYTES_PER_SECOND,
  })
  try {
    const through = relayed(origin, throttle)
    const range = { range: `bytes=0-${ONE_STREAM_BYTES - 1}` }
    const one = { method: 'GET' as const, target: large, headers: range }
    const direct = rateOf(await load(context, through, { name: 'one stream', list: [one] }))
    return [
      ...(await measureFirstByte(context, throttle)),
      { what: 'one stream of an origin with 25 MiB/s a connection', value: direct, unit: 'MiB/s' },
      ...(await measureLarge(context, throttle, { target: large, sizeBytes, direct })),
    ]
  } finally {
    await throttle.close()
  }
}

/** The same objects by a node that uses one connection an object, and by one that uses several. */
async function measureFirstByte(
  context: BenchContext,
  throttle: Throttle,
): Promise<readonly Figure[]> {
  const config = { cold: { connectionsPerObjectMax: 1 } }
  const endpoint = throttle.url
  const single = await startForebayBefore(context, { name: 'single', endpoint, config })
  const several = await startForebayBefore(context, { name: 'several', endpoint })
  const waits = { single: [] as number[], several: [] as number[] }
  // The first object of a bucket also brings the bucket in.
  for (const [index, target] of targetsOf(BUCKET, FIRST_BYTE.folder, FIRST_BYTE.count).entries()) {
    const bySingle = await read(context, single, { name: 'first byte', targets: [target] })
    const bySeveral = await read(context, several, { name: 'first byte', targets: [target] })
    if (index === 0) continue
    waits.single.push(bySingle.firstByteP50Us)
    waits.several.push(bySeveral.firstByteP50Us)
  }
  await single.server.stop()
  await several.server.stop()
  const addedMs = (median(waits.several) - median(waits.single)) / 1000
  return [
    ms('first byte of 40 MiB by one connection (median of 6)', median(waits.single)),
    ms('first byte of 40 MiB by several', median(waits.several)),
    { what: 'first byte, added', value: addedMs, unit: 'ms', bar: '<= 5', met: addedMs <= 5 },
  ]
}

async function measureLarge(
  context: BenchContext,
  throttle: Throttle,
  large: { readonly target: string; readonly sizeBytes: number; readonly direct: number },
): Promise<readonly Figure[]> {
  const { target, sizeBytes, direct } = large
  const forebay = await startForebayBefore(context, { name: 'parallel', endpoint: throttle.url })
  await read(context, forebay, { name: 'warm', targets: targetsOf(BUCKET, FIRST_BYTE.folder, 1) })
  throttle.reset()
  const result = await read(context, forebay, { name: 'whole', targets: [target] })
  const { bytesDown, connections } = await throttle.settled()
  await forebay.server.stop()
  const rate = rateOf(result)
  const factor = rate / direct
  const what = `whole ${sizeBytes / MIB} MiB, absent object`
  return [
    ms(`${what}, first byte`, result.firstByteP50Us),
    { what, value: rate, unit: 'MiB/s' },
    {
      what: `${what}, against one stream`,
      value: factor,
      unit: 'x',
      bar: '>= 6',
      met: factor >= 6,
    },
    {
      what: `the same, read from the origin (${connections} connections)`,
      value: bytesDown / MIB,
      unit: 'MiB',
      bar: 'once',
      met: result.bytes === sizeBytes && bytesDown <= sizeBytes + OVERHEAD_BYTES_MAX,
    },
  ]
}
