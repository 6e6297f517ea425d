/**
 * One process that is gateway and target: opens what lasts, connects the parts, answers on the
 * listeners, and closes in the opposite order.
 */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { closeHashWorkers } from '@forebay/base/hash/hash-workers'
import { KeyedLock } from '@forebay/base/keyed-lock'
import type { LoadedSettings } from '@forebay/config/load'
import type { Settings } from '@forebay/config/schema'
import { type ClusterIdentity, openIdentity } from '@forebay/control/cluster-identity'
import { EmbeddedBucketTable } from '@forebay/control/embedded-bucket-table'
import { formatBucket } from '@forebay/model/bucket'
import { resolveProperties } from '@forebay/model/bucket-properties'
import { AccessLog } from '@forebay/observe/access-log'
import { openFileSink, stdoutSink } from '@forebay/observe/access-sink'
import type { Logger } from '@forebay/observe/logger'
import { LoopMonitor } from '@forebay/observe/loop-monitor'
import { Metrics } from '@forebay/observe/metrics'
import type { RecentLines } from '@forebay/observe/recent-lines'
import { connectSpending } from '@forebay/observe/spending-metrics'
import { openTracing } from '@forebay/observe/tracing'
import { Inventories } from '@forebay/target/inventory/inventories'
import { MeasuredTarget } from '@forebay/target/jobs/measured-target'
import { UserLoad } from '@forebay/target/jobs/user-load'
import { MOUNTPATH_TABLE_NAME } from '@forebay/target/mountpaths/mountpath-table'
import { createObjectContext } from '@forebay/target/objects/create-target'
import { SYSTEM_BUCKET, SYSTEM_BUCKET_ID } from '@forebay/target/objects/system-bucket'
import { Target } from '@forebay/target/objects/target'
import { detectSendfile } from '@forebay/target/os/detect-sendfile'
import { openFilesLimit, openFilesShare } from '@forebay/target/os/open-files'
import { entryId } from '@forebay/target/store/entry-id'
import type { LocalObjectStore } from '@forebay/target/store/local-store'
import { openStore } from '@forebay/target/store/open-store'
import { lockDirectory } from '@forebay/target/store/process-lock'
import { AccountBooks } from './account-books.ts'
import { BackendPool } from './backend-pool.ts'
import { openDoors, spaceOf } from './doors.ts'
import { Listeners } from './listeners.ts'
import { createObjectObserver, createStoreObserver } from './observers.ts'
import { type NodeJobs, openJobs } from './open-jobs.ts'
import { createScrubber } from './open-scrubber.ts'
import { checkEndpoint } from './self-check.ts'
import { traceTarget } from './trace-target.ts'
import { VERSION } from './version.ts'
import { wrapBackends } from './wrap-backends.ts'

/** What the log says when the loop's alarm goes off. */
const LOOP_ALARM_EVENT = 'the event loop is late'

/** A node that answers. */
export interface RunningNode {
  readonly endpoint: string
  /** Stops accepting, finishes what is under way, brings everything to disk. */
  stop(): Promise<void>
}

/**
 * Starts a node.
 *
 * @param recent what the logger keeps of its lines, for `GET /v1/forebay/log`
 * @throws Failure that names what is wrong; then nothing is left open
 */
export async function startNode(
  loaded: LoadedSettings,
  logger: Logger,
  recent?: RecentLines,
): Promise<RunningNode> {
  const { settings } = loaded
  const closers: (() => Promise<void> | void)[] = []
  const closeAll = async (): Promise<void> => {
    for (const close of closers.reverse()) await close()
  }
  try {
    return await open({ loaded, settings, logger, recent, closers, closeAll })
  } catch (error) {
    await closeAll()
    throw error
  }
}

interface Opening {
  readonly loaded: LoadedSettings
  readonly settings: Settings
  readonly logger: Logger
  readonly recent: RecentLines | undefined
  readonly closers: (() => Promise<void> | void)[]
  closeAll(): Promise<void>
}

async function open(opening: Opening): Promise<RunningNode> {
  const { loaded, settings, logger, closers } = opening
  const clock = systemClock
  warnOfFewFiles(settings, logger)
  await mkdir(settings.dataDir, { recursive: true })
  // Two nodes on one directory would each overwrite the other's bucket table.
  const lock = await lockDirectory(settings.dataDir)
  closers.push(() => lock.release())
  const identity = await openIdentity(settings.dataDir, clock)
  const metrics = new Metrics({ version: VERSION })
  const locks = new KeyedLock()
  const late: { table?: EmbeddedBucketTable } = {}
  const store = await openObjects(settings, { identity, metrics, logger, locks, late })
  closers.push(
    () => closeHashWorkers(),
    () => store.close(),
  )
  const table = await openTable(settings, identity, logger)
  useTable(late, table, store)

  const { observer, wrap, tracing } = await openCounting(opening, { metrics, table, identity })
  const listeners = new Listeners({
    onTlsFailure: (error) =>
      logger.error({ err: error }, 'the new certificate cannot be used; the old one stays'),
    onFailure: (error) => logger.error({ err: error }, 'a connection could not be accepted'),
  })
  const pool = new BackendPool({
    settings,
    nodeId: identity.nodeId,
    clock,
    wrap: wrap.wrap,
    checkEndpoint: (endpoint) => checkEndpoint(endpoint, settings.listen),
  })
  closers.push(() => pool.close())
  await pool.open()
  const work = { store, locks, pool, table, observer, metrics, identity }
  const { target, scrubber, jobs, inventories } = await openWork(opening, work)
  const accessLog = await openAccessLog(settings, logger)
  if (accessLog !== undefined) closers.push(() => accessLog.close())
  const loop = watchLoop(settings, logger)
  closers.push(() => loop.stop())

  const state = { ready: false }
  const doors = await openDoors({
    loaded,
    logger,
    recent: opening.recent,
    identity,
    target: traceTarget(target, tracing),
    table,
    pool,
    store,
    scrubber,
    jobs: jobs.service,
    inventories,
    metrics,
    accessLog,
    tracing,
    totals: observer.totals,
    backendRequests: wrap.requestCount,
    troubles: () => [...wrap.troubles(), ...store.mountpaths.troubles()],
    isReady: () => state.ready,
  })
  closers.push(() => doors.close())
  connectGauges(metrics, { store, table, loop, listeners })
  // Otherwise the first large bodies would leave the slow way.
  if (settings.datapath.sendfile === 'auto') await detectSendfile()
  await listeners.open(settings, doors.door)
  state.ready = true
  scrubber.open()
  await jobs.open(doors.callerOf)
  const running = { listeners, target, jobs, state }
  return { endpoint: listeners.endpoint, stop: () => stop(opening, running) }
}

/** What does the work: for clients, in the background, and by order. */
async function openWork(
  { settings, logger, closers }: Opening,
  parts: {
    readonly store: LocalObjectStore
    readonly locks: KeyedLock
    readonly pool: BackendPool
    readonly table: EmbeddedBucketTable
    readonly observer: ReturnType<typeof createObjectObserver>
    readonly metrics: Metrics
    readonly identity: ClusterIdentity
  },
) {
  const { store, locks, pool, table, observer, metrics, identity } = parts
  const clock = systemClock
  const inventories = await Inventories.open({
    directory: join(settings.dataDir, 'inventory'),
    clock,
    hasBucket: (id) => table.byId(id) !== undefined,
  })
  closers.push(() => inventories.close())
  const objects = createObjectContext({
    ...targetSettings(settings),
    store,
    locks,
    backendOf: (bucket) => pool.backendOf(bucket),
    clock,
    observer,
    nodeId: identity.nodeId,
    inventories,
  })
  const users = new UserLoad(clock)
  const target = new MeasuredTarget(objects, users)
  const scrubber = createScrubber(settings, { objects, store, metrics, logger })
  closers.push(() => scrubber.close())
  const jobs = await openJobs(settings, {
    nodeId: identity.nodeId,
    clusterId: identity.clusterId,
    clock,
    target: new Target(objects),
    users,
    inventories,
    table,
    own: { objects, store, scrub: scrubber },
    metrics,
    logger,
  })
  closers.push(() => jobs.close())
  return { target, scrubber, jobs, inventories }
}

/** Who counts what clients are answered and what stores are asked, what that costs, and who traces it. */
async function openCounting(
  { settings, logger, closers }: Opening,
  parts: {
    readonly metrics: Metrics
    readonly table: EmbeddedBucketTable
    readonly identity: ClusterIdentity
  },
) {
  const { metrics, table, identity } = parts
  const clock = systemClock
  const tracing = await openTracing({
    ...settings.tracing,
    version: VERSION,
    nodeId: identity.nodeId,
    logger,
  })
  if (tracing !== undefined) closers.push(() => tracing.close())
  const books = await AccountBooks.open({ settings, clock, logger, buckets: () => table.list() })
  closers.push(() => books.close())
  connectSpending(metrics.registry, () => books.accounts)
  const observer = createObjectObserver(metrics, logger, (bucket, requests, bytes) =>
    books.answered(bucket, requests, bytes),
  )
  const wrap = wrapBackends({ settings, metrics, logger, clock, books, tracing })
  return { observer, wrap, tracing }
}

/** Which buckets are native is known only now: a mountpath that was being emptied is emptied further. */
function useTable(
  late: { table?: EmbeddedBucketTable },
  table: EmbeddedBucketTable,
  store: LocalObjectStore,
): void {
  late.table = table
  store.mountpaths.resume()
}

/** The process may have fewer descriptors than the settings reckon with: they hold as far as it goes. */
function warnOfFewFiles({ datapath, http }: Settings, logger: Logger): void {
  const share = openFilesShare()
  const { openFilesMax } = datapath
  const { connectionsMax } = http
  if (openFilesMax <= share && connectionsMax <= share) return
  logger.warn(
    {
      limit: openFilesLimit(),
      connectionsMax: Math.min(connectionsMax, share),
      openFilesMax: Math.min(openFilesMax, share),
    },
    'the limit of open files is low for the settings: connections and cached files are held to a quarter of it each',
  )
}

function targetSettings(settings: Settings) {
  const { cold, copy, cache, datapath, http, s3 } = settings
  return {
    sendfile: datapath.sendfile,
    whenAbandoned: cold.whenAbandoned,
    fillsMax: cold.fillsMax,
    connectionsPerObjectMax: cold.connectionsPerObjectMax,
    copyPartsAboveBytes: copy.partsAboveBytes,
    writeStallTimeoutMs: http.writeStallTimeoutMs,
    portableKeys: s3.portableKeys,
    cacheDefaults: {
      revalidate: { kind: 'after' as const, ttlMs: cache.revalidateTtlMs },
      staleIfErrorMs: cache.staleIfErrorMs,
    },
  }
}

function openObjects(
  settings: Settings,
  parts: {
    readonly identity: ClusterIdentity
    readonly metrics: Metrics
    readonly logger: Logger
    readonly locks: KeyedLock
    readonly late: { readonly table?: EmbeddedBucketTable }
  },
): Promise<LocalObjectStore> {
  const { identity, metrics, logger, locks, late } = parts
  return openStore({
    mountpaths: mountpathsOf(settings).map((path) => ({ path })),
    mountpathTable: join(settings.dataDir, MOUNTPATH_TABLE_NAME),
    health: settings.mountpathHealth,
    indexDir: settings.store.indexDir,
    clusterId: identity.clusterId,
    clock: systemClock,
    observer: createStoreObserver(metrics, logger),
    bucketOf: (id) => (id === SYSTEM_BUCKET_ID ? SYSTEM_BUCKET : late.table?.byId(id)),
    lockKey: (bucketId, key) => locks.acquire(entryId(bucketId, key)),
    watermarks: watermarksOf(settings),
    capacityBytes: settings.space.capacityBytes,
    syncIntervalMs: settings.store.syncIntervalMs,
    limits: { openFilesMax: settings.datapath.openFilesMax },
  })
}

async function openTable(
  { dataDir }: Settings,
  { clusterId }: ClusterIdentity,
  logger: Logger,
): Promise<EmbeddedBucketTable> {
  const table = await EmbeddedBucketTable.open({ dataDir, clusterId, clock: systemClock })
  const { start } = table
  if (start.kind === 'previous') {
    logger.warn({ why: start.why }, 'the newest bucket table is damaged: the one before it is used')
  }
  return table
}

async function stop(
  opening: Opening,
  running: {
    readonly listeners: Listeners
    readonly target: Target
    readonly jobs: NodeJobs
    readonly state: { ready: boolean }
  },
): Promise<void> {
  running.state.ready = false
  await running.jobs.close()
  await running.listeners.drain(opening.settings.shutdown.drainTimeoutMs)
  await running.target.shutdown()
  await opening.closeAll()
}

function mountpathsOf(settings: Settings): readonly string[] {
  return settings.mountpaths.length > 0
    ? settings.mountpaths
    : [join(settings.dataDir, 'mountpath')]
}

function watermarksOf(settings: Settings) {
  const { lowWatermarkPercent, highWatermarkPercent, outOfSpacePercent } = settings.space
  return {
    low: lowWatermarkPercent / 100,
    high: highWatermarkPercent / 100,
    full: outOfSpacePercent / 100,
  }
}

async function openAccessLog(settings: Settings, logger: Logger): Promise<AccessLog | undefined> {
  const { access, accessFile } = settings.log
  if (!access) return undefined
  const sink = accessFile === undefined ? stdoutSink() : await openFileSink(accessFile)
  return new AccessLog({
    sink,
    onError: (error) => logger.error({ err: error }, 'the access log cannot be written'),
  })
}

function watchLoop(settings: Settings, logger: Logger): LoopMonitor {
  return new LoopMonitor(settings.metrics.loopDelayAlarmMs, (delay) =>
    logger.warn({ ...delay }, LOOP_ALARM_EVENT),
  )
}

/** What each bucket takes, and may take. */
function bucketSpaces(table: EmbeddedBucketTable, store: LocalObjectStore) {
  return table.list().map((bucket) => ({
    bucket: formatBucket(bucket.ref),
    usedBytes: spaceOf(store, bucket.id).usedBytes,
    quotaBytes: resolveProperties(bucket.backend, bucket.properties).quotaBytes,
  }))
}

function connectGauges(
  metrics: Metrics,
  sources: {
    readonly store: LocalObjectStore
    readonly table: EmbeddedBucketTable
    readonly loop: LoopMonitor
    readonly listeners: Listeners
  },
): void {
  const { store, table, loop, listeners } = sources
  metrics.connectBuckets(() => bucketSpaces(table, store))
  metrics.connect({
    objectCount: () => store.totals().objectCount,
    unsettledCount: () => store.totals().unsettledCount,
    connectionCount: () => listeners.connectionCount,
    mountpaths: () => store.mountpaths.list(),
    loopDelay: () => loop.delay,
  })
}
