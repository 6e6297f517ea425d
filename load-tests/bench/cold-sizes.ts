/**
 * Objects of every size that are not in the cache yet, from every kind of backend: how long the first
 * reader waits for the whole, against the same read without a cache. Both go through one relay that
 * gives each connection a rate and a latency, turn by turn, and each object is read once by either.
 */

import { join } from 'node:path'
import { ForebayClient } from '@forebay/client/client'
import { startForebay } from '../testkit/servers.ts'
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { load, MIB, read } from './cold-setup.ts'
import { COLD_BUCKET, type ColdStore, openColdStore, type StoreKind } from './cold-stores.ts'
import { BENCH_KEYS, type Contender, prepare } from './contenders.ts'
import { measureLoad } from './load.ts'
import { objectName } from './requests.ts'
import { formatSize, median, minimum } from './statistics.ts'
import { startThrottle } from './throttle.ts'

/** Limit of each connection to the store. */
const STORE_BYTES_PER_SECOND = 100 * MIB

/** Of the direct rate, that the first reader gets at least. */
const SHARE_MIN = 0.9

/** CPU of the node for a cold GET of 4 KiB: half of what AIStore takes. */
const CPU_US_MAX = 220

const WARM_OBJECTS = 600
const WARM_CONNECTIONS = 16

export const CPU_BYTES = 4096
const CPU_OBJECTS = 1500
/** Rounds before the first that counts: the engine compiles what is hot in several steps. */
const CPU_WARM_ROUNDS = 4
const CPU_ROUNDS = 5
/** As AIStore was measured. */
export const CPU_CONNECTIONS = 16

/** What the node does after its answers, the journal and the index, counts too. */
const SETTLE_MS = 1000

/** Writes to a store at once. */
const PUTS_AT_ONCE = 4

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
      figures.push(...(await measureCpu(context, store, { ...options, kind })))
    return figures
  } finally {
    await throttle.close()
    await store.server.stop()
  }
}

/** A node before the store, which has the bucket and has read one object of it. */
export async function startNode(
  context: BenchContext,
  store: ColdStore,
  options: {
    readonly name: string
    readonly url: string
    readonly env?: Readonly<Record<string, string>>
    /** Checkout of the program; absent: this one. */
    readonly root?: string | undefined
  },
): Promise<Contender> {
  const env = {
    AWS_ACCESS_KEY_ID: BENCH_KEYS.accessKey,
    AWS_SECRET_ACCESS_KEY: BENCH_KEYS.secretKey,
    ...options.env,
  }
  const server = await context.own(
    startForebay({
      dataDir: join(context.folder, options.name),
      config: store.settings(options.url),
      env,
      root: options.root,
      signal: context.signal,
    }),
  )
  const forebay: Contender = { name: options.name, server, credentials: undefined }
  await store.addBucket(new ForebayClient({ endpoint: server.url }), options.url)
  await store.put('first', Buffer.alloc(CPU_BYTES, 1))
  await read(context, forebay, { name: 'first', targets: [`/${COLD_BUCKET}/first`] })
  return forebay
}

/** Absent objects that a node has read before, as one that runs has: the engine compiles what is hot. */
async function warmUp(context: BenchContext, store: ColdStore, forebay: Contender): Promise<void> {
  const keys = Array.from({ length: WARM_OBJECTS }, (_, index) => `warm/${objectName(index)}`)
  await putAll(store, keys, CPU_BYTES)
  const list = keys.map((key) => ({ method: 'GET' as const, target: `/${COLD_BUCKET}/${key}` }))
  await load(context, forebay, { name: 'warm', list, connections: WARM_CONNECTIONS })
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

/** What the node spends on a cold GET, each of another object, from a store without a limit. */
async function measureCpu(
  context: BenchContext,
  store: ColdStore,
  options: {
    readonly kind: StoreKind
    readonly isQuick: boolean
    readonly profile?: string | undefined
  },
): Promise<readonly Figure[]> {
  const { kind, profile } = options
  const count = options.isQuick ? CPU_OBJECTS / 3 : CPU_OBJECTS
  const flags = `--cpu-prof --cpu-prof-dir=${profile} --disable-warning=ExperimentalWarning`
  const forebay = await startNode(context, store, {
    name: `${kind}-cpu`,
    url: store.server.url,
    ...(profile !== undefined && { env: { NODE_OPTIONS: flags } }),
  })
  const costs: number[] = []
  for (let round = 0; round < CPU_WARM_ROUNDS + CPU_ROUNDS; round += 1) {
    const keys = Array.from({ length: count }, (_, index) => `cpu-${round}/${objectName(index)}`)
    await putAll(store, keys, CPU_BYTES)
    const list = keys.map((key) => ({ method: 'GET' as const, target: `/${COLD_BUCKET}/${key}` }))
    const run = {
      client: context.client,
      port: forebay.server.port,
      requests: await prepare(context, forebay, { name: 'cpu', list }),
      connections: CPU_CONNECTIONS,
      count,
      expectBytes: CPU_BYTES,
      anyCore: true,
      signal: context.signal,
    }
    context.say(`cold: ${count} objects of 4 KiB at ${forebay.name}`)
    const { serverCpuSeconds } = await measureLoad(forebay.server, run, SETTLE_MS)
    if (round >= CPU_WARM_ROUNDS) costs.push((serverCpuSeconds / count) * 1e6)
  }
  await forebay.server.stop()
  const what = `${kind}, CPU of the node for an absent object of 4 KiB`
  const least = minimum(costs)
  return [
    { what: `${what}, median of ${CPU_ROUNDS}`, value: median(costs), unit: 'us' },
    {
      what: `${what}, minimum`,
      value: least,
      unit: 'us',
      bar: `<= ${CPU_US_MAX}`,
      met: least <= CPU_US_MAX,
    },
  ]
}

export async function putAll(
  store: ColdStore,
  keys: readonly string[],
  sizeBytes: number,
): Promise<void> {
  const bytes = Buffer.alloc(sizeBytes, 'forebay cold ')
  const queue = keys.values()
  const work = async (): Promise<void> => {
    for (const key of queue) await store.put(key, bytes)
  }
  await Promise.all(Array.from({ length: PUTS_AT_ONCE }, work))
}
