/**
 * Users write, overwrite and delete the very keys that jobs delete and copy, while pages of these jobs
 * come again and again, late, and to holders that stand still. One round is one job.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { openS3Account } from '@forebay/backend-s3/s3-backend'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import { EmbeddedEngine } from '@forebay/jobs/embedded/embedded-engine'
import type { JobEngine, JobWorker } from '@forebay/jobs/engine'
import { JOB_ENDS, type JobRecord, type JsonObject } from '@forebay/jobs/job'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { JobLimiter } from '@forebay/target/jobs/job-limits'
import { JobPace } from '@forebay/target/jobs/job-pace'
import { NodeJobWorker } from '@forebay/target/jobs/job-worker'
import { KIND_WORKS } from '@forebay/target/jobs/kind-works'
import { JobRig } from '@forebay/target/jobs/testing/job-rig'
import { UserLoad } from '@forebay/target/jobs/user-load'
import { Random } from '../faults/random.ts'
import { startRedis } from '../testkit/redis-servers.ts'
import { startVersitygw, temporaryFolder } from '../testkit/servers.ts'
import { HostileWorker, pause, StallingTarget } from './hostile-worker.ts'
import { WatchedKey } from './overwrite-keys.ts'

const KEYS = { accessKey: 'overwrites', secretKey: 'overwrites-secret' }

/** Keys of one round. */
const KEY_COUNT = 6

/** Users' operations on one key while a job is there. */
const OPERATIONS_MAX = 4

type Kinds = readonly ['native' | 's3', 'native' | 's3']

const PAIRS: readonly [Kinds, ...Kinds[]] = [
  ['native', 'native'],
  ['native', 's3'],
  ['s3', 'native'],
  ['s3', 's3'],
]

/** What many rounds came to. */
export type OverwritesReport = {
  readonly violations: readonly string[]
  /** Items by what became of them, of all jobs. */
  readonly done: number
  readonly skipped: number
  readonly failed: number
  /** Operations of users that began after the job of their key. */
  readonly userOperations: number
  /** Deliveries of pages to holders that stood still, and again after they were done. */
  readonly stalled: number
  readonly repeated: number
}

/** Everything that the rounds share. */
type World = {
  readonly rig: JobRig
  readonly engine: JobEngine
  readonly worker: HostileWorker
  readonly buckets: Readonly<Record<'native' | 's3', readonly [BucketRecord, BucketRecord]>>
}

/** Plays rounds, several at once: their keys are apart. */
export async function overwriteRounds(options: {
  readonly rounds: number
  readonly seed: number
  readonly roundsAtOnce: number
  /** Jobs are kept in a Valkey instead of the node's own table. */
  readonly inRedis?: boolean
}): Promise<OverwritesReport> {
  const { seed, rounds, roundsAtOnce, inRedis = false } = options
  const world = await openWorld(seed, inRedis)
  const total = { violations: [] as string[], done: 0, skipped: 0, failed: 0, userOperations: 0 }
  let next = 0
  const play = async (): Promise<void> => {
    for (let round = next++; round < rounds; round = next++) {
      const one = await playRound(world, new Random('overwrites', seed, round), round)
      total.violations.push(...one.violations.map((text) => `round ${round}: ${text}`))
      total.done += one.job.counters.done
      total.skipped += one.job.counters.skipped
      total.failed += one.job.counters.failed
      total.userOperations += one.userOperations
    }
  }
  try {
    await Promise.all(Array.from({ length: roundsAtOnce }, play))
    const { stalledCount: stalled, repeatedCount: repeated } = world.worker
    return { ...total, stalled, repeated }
  } finally {
    await world.close()
  }
}

async function openWorld(
  seed: number,
  inRedis: boolean,
): Promise<World & { close(): Promise<void> }> {
  const folder = await temporaryFolder('overwrites')
  const dir = join(folder.path, 'origin')
  for (const name of ['one', 'two']) await mkdir(join(dir, name), { recursive: true })
  const origin = await startVersitygw({ ...KEYS, dir })
  const account = openS3Account({
    endpoint: origin.url,
    region: 'us-east-1',
    nodeId: 'testnode',
    clock: systemClock,
    credentials: { accessKeyId: KEYS.accessKey, secretAccessKey: KEYS.secretKey },
  })
  const rig = await JobRig.open({
    backendOf: ({ backend }) =>
      backend === undefined ? undefined : account.bucket(backend.bucket),
  })
  rig.clock.now = () => systemClock.now()
  const { engine, release } = await openEngine(folder.path, { nodeId: rig.context.nodeId, inRedis })
  const random = new Random('hostile', seed)
  const stalling = { ...rig.context, target: new StallingTarget(rig.objects, random) }
  const worker = new HostileWorker(workerOf(rig.context), workerOf(stalling), random)
  await engine.work(worker)
  const buckets = {
    native: [await rig.native('first'), await rig.native('second')],
    s3: [await rig.stored('one', 'aws'), await rig.stored('two', 'aws')],
  } as const
  const close = async (): Promise<void> => {
    await engine.close()
    await release()
    await rig.close()
    await account.close()
    await origin.stop()
    await folder.remove()
  }
  return { rig, engine, worker, buckets, close }
}

type Opened = { readonly engine: JobEngine; readonly release: () => Promise<void> }

/** Either engine, with nothing in it. `release` comes after `close`. */
async function openEngine(
  folder: string,
  options: { readonly nodeId: string; readonly inRedis: boolean },
): Promise<Opened> {
  const clock = systemClock
  if (!options.inRedis) {
    const engine = await EmbeddedEngine.open({ folder: join(folder, 'jobs'), clock })
    return { engine, release: async () => undefined }
  }
  const redis = await startRedis({ folder: join(folder, 'valkey') })
  const engine = await BullmqEngine.open({
    ...{ nodeId: options.nodeId, clock },
    address: parseRedisUrl(redis.redisUrl),
    ledgerPath: join(folder, 'ledger.json'),
  })
  return { engine, release: () => redis.kill9() }
}

function workerOf(context: JobRig['context']): JobWorker {
  const clock = systemClock
  return new NodeJobWorker({
    context,
    works: KIND_WORKS,
    pace: new JobPace({
      clock,
      users: new UserLoad(clock),
      itemsMax: 32,
      loopBusyShare: () => 0,
    }),
    limiter: new JobLimiter(clock),
    pagesAtOnce: 16,
    observer: { item: () => undefined, pages: () => undefined, warn: () => undefined },
  })
}

type Played = {
  readonly job: JobRecord
  readonly userOperations: number
  readonly violations: readonly string[]
}

async function playRound(world: World, random: Random, round: number): Promise<Played> {
  const kind = random.pick(['delete', 'copy', 'sync'] as const)
  return kind === 'delete'
    ? playDelete(world, random, round)
    : playCopy(world, random, { round, sync: kind === 'sync' })
}

async function playDelete(world: World, random: Random, round: number): Promise<Played> {
  const { rig } = world
  const bucket = world.buckets[random.pick(['native', 's3'] as const)][0]
  const prefix = `d${round}/`
  const keys = makeKeys(rig, { bucket, prefix }, random)
  for (const key of keys) await key.put(`${key.key} first`)
  await pause(2)
  const named = random.below(3) === 0
  const args: JsonObject = named ? { keys: keys.map(({ key }) => key) } : { prefix }
  const job = await playJob(world, { kind: 'delete', bucket, args }, { keys, random })
  const mayBe = { absent: true, bytes: [] }
  return judge(job, keys, (key) => key.violations(job.startedMs ?? 0, mayBe))
}

async function playCopy(
  world: World,
  random: Random,
  options: { readonly round: number; readonly sync: boolean },
): Promise<Played> {
  const { rig, buckets } = world
  const { round, sync } = options
  const [from, to] = random.pick(PAIRS)
  const source = buckets[from][0]
  const destination = buckets[to][1]
  const prefix = `c${round}/`
  const sources = makeKeys(rig, { bucket: source, prefix }, random)
  const keys = makeKeys(rig, { bucket: destination, prefix }, random)
  for (const [at, key] of sources.entries()) {
    if (!sync || at % 3 > 0) await key.put(`${key.key} source`)
  }
  for (const key of keys) if (random.below(3) > 0) await key.put(`${key.key} first`)
  await pause(2)
  const args = { to: formatBucket(destination.ref), prefix, sync, latest: random.below(2) === 0 }
  const order = { kind: 'copy-bucket', bucket: source, args }
  const changing = sources.filter(() => random.below(4) === 0)
  const job = await playJob(world, order, { keys: [...keys, ...changing], random })
  return judge(job, keys, (key) => {
    const bytes = sources.find((one) => one.key === key.key)?.writtenBytes ?? []
    return key.violations(job.startedMs ?? 0, { absent: sync, bytes })
  })
}

function makeKeys(
  rig: JobRig,
  place: { readonly bucket: BucketRecord; readonly prefix: string },
  random: Random,
): readonly WatchedKey[] {
  const { bucket, prefix } = place
  return Array.from(
    { length: KEY_COUNT },
    (_, at) => new WatchedKey(rig, { bucket, key: `${prefix}${at}` }, random),
  )
}

/** Lets users loose, begins the job, and waits for all of them, and for those who stand still. */
async function playJob(
  { engine, worker }: World,
  order: { readonly kind: string; readonly bucket: BucketRecord; readonly args: JsonObject },
  { keys, random }: { readonly keys: readonly WatchedKey[]; readonly random: Random },
): Promise<JobRecord> {
  const users = keys
    .filter(() => random.below(4) > 0)
    .map((key) => key.use(1 + random.below(OPERATIONS_MAX)))
  const { id } = await engine.submit({ ...order, bucket: order.bucket.ref })
  await Promise.all(users)
  for (;;) {
    const job = await engine.get(id)
    if (job === undefined) throw new Error(`job ${id} is not known any more`)
    if (JOB_ENDS.has(job.state)) {
      await worker.rest(id)
      return job
    }
    await pause(20)
  }
}

async function judge(
  job: JobRecord,
  keys: readonly WatchedKey[],
  violationsOf: (key: WatchedKey) => Promise<readonly string[]>,
): Promise<Played> {
  const violations: string[] = []
  const { done, skipped, failed } = job.counters
  if (job.state !== 'finished') violations.push(`the job is ${job.state}: ${job.error}`)
  if (done + skipped + failed !== job.listing.items) {
    violations.push(`${done} + ${skipped} + ${failed} items of ${job.listing.items}`)
  }
  for (const key of keys) violations.push(...(await violationsOf(key)))
  const since = job.startedMs ?? 0
  const userOperations = keys.reduce((sum, key) => sum + key.operationsSince(since), 0)
  return { job, userOperations, violations }
}
