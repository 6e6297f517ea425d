/**
 * Objects of every size that are not in the cache yet, from every kind of backend: how long the first
 * reader waits for the whole, against the same read without a cache. Both go through one relay that
 * gives each connection a rate and a latency, turn by turn, and each object is read once by either.
 */

import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { CPU_BYTES, measureColdCpu } from './cold-cpu.ts'
import { load, MIB, putAll, read, startNode } from './cold-setup.ts'
import { COLD_BUCKET, type ColdStore, openColdStore, type StoreKind } from './cold-stores.ts'
import type { Contender } from './contenders.ts'
import { objectName } from './requests.ts'
import { formatSize, median } from './statistics.ts'
import { startThrottle } from './throttle.ts'

/** Limit of each connection to the store. */
const STORE_BYTES_PER_SECOND = 100 * MIB

/** Of the direct rate, that the first reader gets at least. */
const SHARE_MIN = 0.9

/** Read before anything counts, by their size: what is larger than memory may have goes another way. */
const WARM_OBJECTS = new Map([
  [CPU_BYTES, 600],
  [MIB, 96],
])
const WARM_CONNECTIONS = 16

/** How often an object of a size is read: enough for a median, few enough to be done soon. */
function roundsOf(sizeBytes: number, isQuick: boolean): number {
  const rounds = sizeBytes < MIB ? 40 : sizeBytes < 64 * MIB ? 9 : 3
  return isQuick ? Math.min(rounds, 5) : rounds
}

export type ColdSizesOptions = {
  readonly stores: readonly StoreKind[]
  readonly sizes: readonly number[]
  /** Of each request at the store. */
  readonly latencyMs: number
  readonly isQuick: boolean
  /** Folder for a CPU profile of the node; absent: none. */
  readonly profile?: string | undefined
}

export async function measureColdSizes(
  context: BenchContext,
  options: ColdSizesOptions,
): Promise<readonly Figure[]> {
  const figures: Figure[] = []
  for (const kind of options.stores) figures.push(...(await measureStore(context, kind, options)))
  return figures
}

type Side = {
  readonly store: ColdStore
  readonly direct: Contender
  readonly forebay: Contender
}

async function measureStore(
  context: BenchContext,
  kind: StoreKind,
  options: ColdSizesOptions,
): Promise<readonly Figure[]> {
  const store = await openColdStore(context, kind)
  const throttle = await startThrottle({
    originPort: store.server.port,
    bytesPerSecond: STORE_BYTES_PER_SECOND,
    latencyMs: options.latencyMs,
  })
  try {
    const forebay = await startNode(context, store, { name: `${kind}-limited`, url: throttle.url })
    const server = { ...store.server, port: throttle.port, url: throttle.url }
    await warmUp(context, store, forebay)
    const direct: Contender = { name: `${kind}-direct`, server, credentials: store.credentials }
    const figures: Figure[] = []
    for (const sizeBytes of options.sizes) {
      figures.push(
        ...(await measureSize(
          context,
          { store, direct, forebay },
          { ...options, kind, sizeBytes },
        )),
      )
    }
    await forebay.server.stop()
    if (options.sizes.includes(CPU_BYTES))
      figures.push(...(await measureColdCpu(context, store, { ...options, kind })))
    return figures
  } finally {
    await throttle.close()
    await store.server.stop()
  }
}

/** Absent objects that a node has read before, as one that runs has: the engine compiles what is hot. */
async function warmUp(context: BenchContext, store: ColdStore, forebay: Contender): Promise<void> {
  for (const [sizeBytes, length] of WARM_OBJECTS) {
    const keys = Array.from({ length }, (_, index) => `warm-${sizeBytes}/${objectName(index)}`)
    await putAll(store, keys, sizeBytes)
    const list = keys.map((key) => ({ method: 'GET' as const, target: `/${COLD_BUCKET}/${key}` }))
    const name = `warm-${sizeBytes}`
    await load(context, forebay, { name, list, connections: WARM_CONNECTIONS })
  }
}

async function measureSize(
  context: BenchContext,
  { store, direct, forebay }: Side,
  options: { readonly kind: StoreKind; readonly sizeBytes: number; readonly isQuick: boolean },
): Promise<readonly Figure[]> {
  const { kind, sizeBytes } = options
  const count = roundsOf(sizeBytes, options.isQuick)
  const keys = Array.from({ length: count }, (_, index) => `${sizeBytes}/${objectName(index)}`)
  await putAll(store, keys, sizeBytes)
  const waits = { direct: [] as number[], cold: [] as number[] }
  // Small ones by several at once, since each run of the client costs a process.
  const atOnce = sizeBytes < MIB ? 8 : 1
  // The first turn warms the connections up.
  for (let at = 0, turn = 0; at < count; at += atOnce, turn += 1) {
    const some = keys.slice(at, at + atOnce)
    const one = await read(context, direct, { name: 'direct', targets: some.map(store.target) })
    const targets = some.map((key) => `/${COLD_BUCKET}/${key}`)
    const two = await read(context, forebay, { name: 'cold', targets })
    for (const result of [one, two]) {
      if (result.bytes !== some.length * sizeBytes) throw new Error('an answer was too short')
    }
    if (turn === 0 && count > atOnce) continue
    waits.direct.push(one.p50Us)
    waits.cold.push(two.p50Us)
  }
  const what = `${kind}, ${formatSize(sizeBytes)}`
  const share = median(waits.direct) / median(waits.cold)
  return [
    { what: `${what}, directly`, value: median(waits.direct) / 1000, unit: 'ms' },
    { what: `${what}, absent object`, value: median(waits.cold) / 1000, unit: 'ms' },
    {
      what: `${what}, share of direct`,
      value: share,
      unit: 'x',
      bar: `>= ${SHARE_MIN}`,
      met: share >= SHARE_MIN,
    },
  ]
}
