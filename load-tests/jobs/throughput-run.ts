/**
 * What jobs do in a second, and what they cost, beside as many workers with the SDK before the same
 * store: versitygw behind a relay that makes it slow. Rounds of both take turns.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { median } from '../bench/statistics.ts'
import { startThrottle, type Throttle } from '../bench/throttle.ts'
import { FaultNode } from '../faults/fault-node.ts'
import { type RedisServer, startRedis } from '../testkit/redis-servers.ts'
import { startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { type Cost, costOf, type Helper, startHelper } from './helper-process.ts'
import { JobApi } from './prefetch-run.ts'
import type { SdkOrder } from './sdk-workers.ts'

const KEYS = { accessKey: 'throughput', secretKey: 'throughput-secret' }
const CREDENTIALS = { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey }

const SOURCE = 'throughput'
const DESTINATION = 'throughput-copies'

/** Of the round before the first, which counts for neither. */
const WARM_UP_OBJECTS = 64

export const WORK = ['prefetch', 'copy'] as const

export type ThroughputOptions = {
  /** Objects of one round, of each size. */
  readonly objects: number
  readonly sizesBytes: readonly number[]
  /** Workers of the SDK, and items at once of the node. */
  readonly workers: number
  readonly rounds: number
  /** How much later a request reaches the store, ms. */
  readonly latencyMs: number
  /** Of each connection to the store, from it. */
  readonly bytesPerSecond: number
  readonly inRedis: boolean
  readonly seed: number
  readonly say: (line: string) => void
}

export type Side = {
  /** The middle one of the rounds. */
  readonly objectsPerSecond: number
  readonly cpuMsPerObject: number
}

export type Comparison = {
  readonly work: (typeof WORK)[number]
  readonly sizeBytes: number
  readonly direct: Side
  readonly job: Side
  /** Objects a second of the job to those of the SDK. */
  readonly ratio: number
}

/** Everything that the rounds share. */
type World = {
  readonly options: ThroughputOptions
  readonly sdk: Helper<SdkOrder>
  readonly originUrl: string
  readonly relay: Throttle
  readonly node: { readonly pid: number; readonly api: JobApi }
}

/** Measures every sort of work with every size. */
export async function throughputRun(options: ThroughputOptions): Promise<readonly Comparison[]> {
  const folder = await temporaryFolder('throughput')
  const dir = join(folder.path, 'origin')
  for (const name of [SOURCE, DESTINATION]) await mkdir(join(dir, name), { recursive: true })
  const origin = await startVersitygw({ ...KEYS, dir })
  const { latencyMs, bytesPerSecond, inRedis } = options
  const relay = await startThrottle({ originPort: origin.port, latencyMs, bytesPerSecond })
  let redis: RedisServer | undefined
  let sdk: Helper<SdkOrder> | undefined
  let node: FaultNode | undefined
  try {
    sdk = startHelper<SdkOrder>('sdk-workers.ts')
    if (inRedis) redis = await startRedis({ folder: join(folder.path, 'valkey') })
    node = new FaultNode({
      ...{ dataDir: join(folder.path, 'node'), originUrl: relay.url, credentials: KEYS },
      config: {
        jobs: { itemsAtOnce: options.workers },
        ...(redis === undefined ? {} : { redisUrl: redis.redisUrl }),
      },
    })
    const { server } = await node.start()
    const world: World = {
      ...{ options, sdk, originUrl: origin.url, relay },
      node: { pid: server.pid, api: new JobApi(server.url) },
    }
    return await compareAll(world)
  } finally {
    await node?.kill()
    await sdk?.stop()
    await redis?.kill9()
    await relay.close()
    await origin.stop()
    await folder.remove()
  }
}

async function compareAll(world: World): Promise<readonly Comparison[]> {
  const found: Comparison[] = []
  for (const sizeBytes of world.options.sizesBytes) {
    await makeObjects(world, sizeBytes)
    for (const work of WORK) found.push(await compare(world, { work, sizeBytes }))
  }
  return found
}

type Task = { readonly work: (typeof WORK)[number]; readonly sizeBytes: number }

/** One round of a task. Its name is in the keys that it makes. */
type Round = Task & { readonly prefix: string; readonly objects: number; readonly name: string }

async function compare(world: World, task: Task): Promise<Comparison> {
  const { rounds, objects, seed, say } = world.options
  const { sizeBytes, work } = task
  const costs = { direct: [] as Cost[], job: [] as Cost[] }
  const prefix = prefixOf(sizeBytes)
  const warmUp = {
    ...task,
    prefix: warmUpPrefix(sizeBytes),
    objects: WARM_UP_OBJECTS,
    name: 'warm',
  }
  await doDirectly(world, warmUp)
  await doByJob(world, warmUp)
  for (let round = 0; round < rounds; round++) {
    const one = { ...task, prefix, objects, name: `round-${round}` }
    // Neither is always the one that comes first.
    const sides = ['direct', 'job'] as const
    const order = (seed + round) % 2 === 0 ? sides : sides.toReversed()
    for (const side of order) {
      world.relay.reset()
      const cost = await (side === 'direct' ? doDirectly(world, one) : doByJob(world, one))
      costs[side].push(cost)
      const { connections, requests } = await world.relay.settled()
      say(
        `${work} ${sizeBytes} ${one.name} ${side}: ${(objects / cost.seconds).toFixed(0)}/s, ${connections} new connections, ${JSON.stringify(requests)}`,
      )
    }
  }
  const [direct, job] = [sideOf(costs.direct, objects), sideOf(costs.job, objects)]
  return { ...task, direct, job, ratio: job.objectsPerSecond / direct.objectsPerSecond }
}

function sideOf(costs: readonly Cost[], objects: number): Side {
  return {
    objectsPerSecond: median(costs.map(({ seconds }) => objects / seconds)),
    cpuMsPerObject: median(costs.map(({ cpuSeconds }) => (cpuSeconds * 1000) / objects)),
  }
}

/** The workers are told the names; a job lists them itself, in its time. */
function doDirectly(world: World, round: Round): Promise<Cost> {
  const { sdk, relay } = world
  const order = { ...sdkOrder(world, relay.url), keys: keysOf(round.prefix, round.objects) }
  const copyTo = { bucket: DESTINATION, prepend: `direct/${round.name}/` }
  return costOf(sdk.pid, () => sdk.run(round.work === 'copy' ? { ...order, copyTo } : order))
}

async function doByJob(world: World, round: Round): Promise<Cost> {
  const { pid, api } = world.node
  const { work, prefix, objects, sizeBytes } = round
  const bucket = `aws://${SOURCE}`
  const copyArgs = { prefix, to: `aws://${DESTINATION}`, prepend: `job/${round.name}/` }
  const order =
    work === 'prefetch'
      ? { kind: 'prefetch', bucket, args: { prefix } }
      : { kind: 'copy-bucket', bucket, args: copyArgs }
  const cost = await costOf(pid, async () => {
    const { counters } = await finish(api, order)
    const { done, bytes } = counters
    if (done === objects && bytes === objects * sizeBytes) return
    throw new Error(`${work} of ${objects}: ${JSON.stringify(counters)}`)
  })
  // Each round begins with nothing in the cache.
  await finish(api, { kind: 'evict', bucket, args: {} })
  if (work === 'copy') {
    await finish(api, { kind: 'evict', bucket: `aws://${DESTINATION}`, args: {} })
  }
  return cost
}

/** @throws Error when it ends in another way */
export async function finish(
  api: JobApi,
  order: Readonly<Record<string, unknown>>,
): ReturnType<JobApi['get']> {
  const { id } = await api.start(order)
  const job = await api.until(id, ({ state }) => state !== 'queued' && state !== 'running')
  if (job.state === 'finished') return job
  throw new Error(`${JSON.stringify(order)} is ${job.state}: ${job.error}`)
}

async function makeObjects(world: World, sizeBytes: number): Promise<void> {
  const keys = [
    ...keysOf(prefixOf(sizeBytes), world.options.objects),
    ...keysOf(warmUpPrefix(sizeBytes), WARM_UP_OBJECTS),
  ]
  await world.sdk.run({ ...sdkOrder(world, world.originUrl), keys, makeBytes: sizeBytes })
}

function sdkOrder(world: World, endpoint: string): Omit<SdkOrder, 'keys'> {
  const { workers } = world.options
  return { endpoint, credentials: CREDENTIALS, workers, bucket: SOURCE }
}

function prefixOf(sizeBytes: number): string {
  return `size-${sizeBytes}/`
}

function warmUpPrefix(sizeBytes: number): string {
  return `warm-${sizeBytes}/`
}

function keysOf(prefix: string, count: number): readonly string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${String(at).padStart(7, '0')}`)
}
