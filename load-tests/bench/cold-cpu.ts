/**
 * CPU of a cold GET of 4 KiB. AIStore was measured with versitygw as its store on a machine like the
 * one that the bars are for; a store that is versitygw here too says how fast this machine is now.
 */
import type { BenchContext } from './bench-context.ts'
import type { Figure } from './cold.ts'
import { putAll, startNode } from './cold-setup.ts'
import { COLD_BUCKET, type ColdStore, type StoreKind } from './cold-stores.ts'
import { type Contender, prepare } from './contenders.ts'
import { measureLoad } from './load.ts'
import { objectName } from './requests.ts'
import { median, minimum } from './statistics.ts'

export const CPU_BYTES = 4096

/** As AIStore was measured. */
const CONNECTIONS = 16

/** CPU of AIStore's proxy and target for a cold GET of 4 KiB, us. */
const AISTORE_US = 440

/** CPU of versitygw for the same objects read directly, in the same measurement, us. */
const AISTORE_STORE_US = 120

/** Of AIStore's, that the node may take. */
const SHARE_MAX = 0.5

const OBJECTS = 1500
/**
 * Rounds before the first that counts. The engine compiles what is hot in several steps: after 9,000
 * reads that still takes a tenth of the CPU, after 18,000 a hundredth, as of a node that runs for long.
 */
const WARM_ROUNDS = 14
const ROUNDS = 12

/** What the node does after its answers, the journal and the index, counts too. */
const SETTLE_MS = 1000

/** What the node spends on a cold GET, each of another object, from a store without a limit. */
export async function measureColdCpu(
  context: BenchContext,
  store: ColdStore,
  options: {
    readonly kind: StoreKind
    readonly isQuick: boolean
    /** Folder for a CPU profile of the node; absent: none. */
    readonly profile?: string | undefined
  },
): Promise<readonly Figure[]> {
  const { kind, profile } = options
  const count = options.isQuick ? OBJECTS / 3 : OBJECTS
  const flags = `--cpu-prof --cpu-prof-dir=${profile} --disable-warning=ExperimentalWarning`
  const node = await startNode(context, store, {
    name: `${kind}-cpu`,
    url: store.server.url,
    ...(profile !== undefined && { env: { NODE_OPTIONS: flags } }),
  })
  const direct: Contender = {
    name: `${kind}-cpu-direct`,
    server: store.server,
    credentials: store.credentials,
  }
  const cold: number[] = []
  const directly: number[] = []
  for (let round = 0; round < WARM_ROUNDS + ROUNDS; round += 1) {
    const keys = Array.from({ length: count }, (_, index) => `cpu-${round}/${objectName(index)}`)
    await putAll(store, keys, CPU_BYTES)
    context.say(`cold: ${count} objects of 4 KiB at ${node.name}`)
    const targets = keys.map((key) => `/${COLD_BUCKET}/${key}`)
    const cost = await measureReads(context, node, { targets, settleMs: SETTLE_MS })
    const own = { targets: keys.map(store.target), settleMs: 0 }
    const ofStore = kind === 's3' ? await measureReads(context, direct, own) : undefined
    if (round < WARM_ROUNDS) continue
    cold.push(cost)
    if (ofStore !== undefined) directly.push(ofStore)
  }
  await node.server.stop()
  return [...figuresOf(kind, cold), ...(directly.length === 0 ? [] : byStore(cold, directly))]
}

/** Reads each target once. @returns microseconds of the server's CPU for each */
export async function measureReads(
  context: BenchContext,
  contender: Contender,
  { targets, settleMs }: { readonly targets: readonly string[]; readonly settleMs: number },
): Promise<number> {
  const list = targets.map((target) => ({ method: 'GET' as const, target }))
  const run = {
    client: context.client,
    port: contender.server.port,
    requests: await prepare(context, contender, { name: 'cpu', list }),
    connections: CONNECTIONS,
    count: targets.length,
    expectBytes: CPU_BYTES,
    anyCore: true,
    signal: context.signal,
  }
  const { serverCpuSeconds } = await measureLoad(contender.server, run, settleMs)
  return (serverCpuSeconds / targets.length) * 1e6
}

function figuresOf(kind: StoreKind, cold: readonly number[]): readonly Figure[] {
  const what = `${kind}, CPU of the node for an absent object of 4 KiB`
  const least = minimum(cold)
  const most = SHARE_MAX * AISTORE_US
  return [
    { what: `${what}, median of ${ROUNDS}`, value: median(cold), unit: 'us' },
    {
      what: `${what}, minimum`,
      value: least,
      unit: 'us',
      bar: `<= ${most}`,
      met: least <= most,
    },
  ]
}

/**
 * Node and store were measured in turns, so their ratio holds on a machine of any speed. That of the
 * medians, as AIStore's are; the store's rounds are the shorter ones, of which some find a fast moment.
 */
function byStore(cold: readonly number[], directly: readonly number[]): readonly Figure[] {
  const ratio = median(cold) / median(directly)
  const aistore = AISTORE_US / AISTORE_STORE_US
  const most = SHARE_MAX * aistore
  const what = 'CPU of versitygw for the same objects read directly'
  return [
    { what: `${what}, median`, value: median(directly), unit: 'us' },
    { what: `${what}, minimum`, value: minimum(directly), unit: 'us' },
    { what: 'the node against it, minima', value: minimum(cold) / minimum(directly), unit: 'x' },
    {
      what: `the node against it, medians (AIStore ${aistore.toFixed(2)})`,
      value: ratio,
      unit: 'x',
      bar: `<= ${most.toFixed(2)}`,
      met: ratio <= most,
    },
  ]
}
