import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { type HealthOptions, MountpathHealth } from '../mountpaths/health.ts'
import { Mountpaths } from '../mountpaths/mountpaths.ts'
import { type Listed, openListed } from '../mountpaths/open-listed.ts'
import { BucketPolicies } from '../space/bucket-policies.ts'
import { pinOf, rulesOf } from '../space/bucket-rules.ts'
import { Evictor } from '../space/evictor.ts'
import { Quotas } from '../space/quotas.ts'
import { SeenOnce } from '../space/seen-once.ts'
import type { Watermarks } from '../space/space.ts'
import { keepTtl } from '../space/ttl-sweeper.ts'
import { BucketGate } from './bucket-gate.ts'
import { keepCompact } from './compaction.ts'
import { DirectorySync } from './directory-sync.ts'
import { DriveTable } from './drive-table.ts'
import { FdCache } from './fd-cache.ts'
import type { IndexDatabases } from './index-db.ts'
import { LocalObjectStore } from './local-store.ts'
import { Missed } from './missed.ts'
import { type Mountpath, OWN } from './mountpath.ts'
import { RESERVED_NAME } from './naming.ts'
import { type LateParts, openDrive } from './open-drive.ts'
import { openIndex } from './open-index.ts'
import { lockDirectory, type ProcessLock } from './process-lock.ts'
import { RecordIndex } from './record-index.ts'
import { recover, sweepPartialFiles } from './recover.ts'
import { replaceFile } from './replace-file.ts'
import { Replacing } from './replacing.ts'
import { Sequence, type StoreContext, type StoreObserver } from './store-context.ts'
import { sweepPacks } from './sweep-packs.ts'
import { keepSyncMarks, SYNC_MARK_INTERVAL_MS, writeSyncMark } from './sync-mark.ts'

export interface StoreOptions {
  /** At least one; in any order. */
  readonly mountpaths: readonly { readonly path: string }[]
  /** File that tells which mountpaths come and went at run time; without it nothing of that lasts. */
  readonly mountpathTable?: string | undefined
  /** How disks are watched; without it they are not. */
  readonly health?: HealthOptions | undefined
  /** Default: `.forebay/index` in the first mountpath. */
  readonly indexDir?: string | undefined
  /** Mountpaths of another cluster are refused. */
  readonly clusterId: string
  readonly clock: Clock
  readonly observer: StoreObserver
  readonly bucketOf: (bucketId: number) => BucketRecord | undefined
  /** Waits for the key's lock and returns its release: eviction takes it like any writer. */
  readonly lockKey: (bucketId: number, key: string) => Promise<() => void>
  /** The version of the cluster map, part of every stamp. */
  readonly mapVersion?: (() => number) | undefined
  readonly watermarks?: Watermarks | undefined
  /** Ceiling of each mountpath; without it the file system's size holds. */
  readonly capacityBytes?: number | undefined
  /** How often everything is brought to disk, ms. Default `SYNC_MARK_INTERVAL_MS`. */
  readonly syncIntervalMs?: number | undefined
  readonly limits?:
    | {
        readonly openFilesMax?: number | undefined
        readonly recordsCachedMax?: number | undefined
      }
    | undefined
}

/**
 * Opens the store: takes the mountpaths for this process, brings index and files to what the journals
 * say, and is ready to serve. What may take long (sweeps, emptying the trash) goes on behind.
 *
 * @throws Failure `setting-invalid` (mountpath in use, of another cluster) | `format-newer` | `disk-error`
 */
export async function openStore(options: StoreOptions): Promise<LocalObjectStore> {
  const listed = await openListed(options)
  try {
    return await openOn(listed, options)
  } catch (error) {
    for (const { mountpath } of listed.open) await mountpath.close()
    throw error
  }
}

async function openOn(listed: Listed, options: StoreOptions): Promise<LocalObjectStore> {
  const mountpaths = listed.open.map(({ mountpath }) => mountpath)
  const [first] = mountpaths
  if (first === undefined) throw new Failure('setting-invalid', 'a target needs a mountpath')
  const own = join(first.root, RESERVED_NAME)
  const indexDirectory = options.indexDir ?? join(own, 'index')
  const indexLock = await lockApart(options.indexDir)
  const { databases, rebuild } = await openIndex(indexDirectory, mountpaths, options).catch(
    async (error: unknown) => {
      await indexLock?.release()
      throw error
    },
  )
  const table = new DriveTable()
  try {
    return await openWith({ databases, rebuild, own, indexLock, listed, table }, options)
  } catch (error) {
    await Promise.allSettled(
      table.drives.flatMap(({ journal, packs }) => [packs.close(), journal.close()]),
    )
    await databases.root.close()
    await indexLock?.release()
    throw error
  }
}

/** An index apart from the mountpaths needs a lock of its own: two nodes must not share one. */
async function lockApart(indexDirectory: string | undefined): Promise<ProcessLock | undefined> {
  if (indexDirectory === undefined) return undefined
  mkdirSync(indexDirectory, { recursive: true, mode: 0o700 })
  return lockDirectory(indexDirectory)
}

interface Parts {
  readonly databases: IndexDatabases
  readonly rebuild: boolean
  /** The store's directory in the first mountpath. */
  readonly own: string
  readonly indexLock: ProcessLock | undefined
  readonly listed: Listed
  /** Filled as they are opened, so that a failure can close them. */
  readonly table: DriveTable
}

async function openWith(
  { databases, rebuild, own, indexLock, listed, table }: Parts,
  options: StoreOptions,
): Promise<LocalObjectStore> {
  // Drives and index need each other: space counts what the index counts.
  const late: LateParts = { readers: new Map() }
  const open = (mountpath: Mountpath) => openDrive(mountpath, options, late)
  for (const { mountpath, draining } of listed.open) {
    const drive = await open(mountpath)
    table.add(drive)
    if (draining) table.place(drive, false)
  }
  const sequence = new Sequence(1)
  const index = new RecordIndex({
    databases,
    journals: table.journals,
    suspectBelow: (number) => table.byNumber.get(number)?.state.suspectBelow ?? 0,
    sequence: () => sequence.next,
    recordsCachedMax: options.limits?.recordsCachedMax,
  })
  late.index = index
  const context = makeContext(options, { table, index, sequence })
  late.files = context.files
  const away = listed.away.length > 0
  await recover(context, { rebuild, clusterId: options.clusterId, away })
  for (const drive of table.drives) drive.trash.empty()
  const evictor = new Evictor(context)
  late.evictor = evictor
  const [first] = listed.open
  const mountpaths = new Mountpaths({
    context,
    table,
    openDrive: open,
    clusterId: options.clusterId,
    tablePath: options.mountpathTable,
    listed,
    // Without its index a store is none: this one stays.
    indexOn: options.indexDir === undefined ? first?.mountpath.number : undefined,
  })
  await mountpaths.begin(rebuild)
  const recencyPath = join(own, 'recency')
  const syncIntervalMs = options.syncIntervalMs ?? SYNC_MARK_INTERVAL_MS
  const health =
    options.health === undefined
      ? undefined
      : new MountpathHealth(mountpaths, options.health, context)
  return start({ context, evictor, mountpaths, health }, { recencyPath, indexLock, syncIntervalMs })
}

function makeContext(
  options: StoreOptions,
  parts: Pick<StoreContext, 'index' | 'sequence'> & { readonly table: DriveTable },
): StoreContext {
  const { clock, observer, bucketOf, lockKey } = options
  const { table, index, sequence } = parts
  return {
    get drives() {
      return table.drives
    },
    get placed() {
      return table.placed
    },
    driveByNumber: table.byNumber,
    missed: new Missed(),
    index,
    sequence,
    clock,
    observer,
    bucketOf,
    lockKey,
    files: new FdCache(() => table.byNumber, options.limits?.openFilesMax),
    replacing: new Replacing(),
    buckets: new BucketGate(),
    directories: new DirectorySync(),
    policies: new BucketPolicies({
      kindOf: (bucketId) => rulesOf(bucketOf(bucketId)).policy,
      isThere: (bucketId) => bucketOf(bucketId) !== undefined,
      isPinned: (bucketId, key) =>
        pinOf(rulesOf(bucketOf(bucketId)), key, clock.now()) !== undefined,
      nowSeconds: () => Math.floor(clock.now() / 1000),
    }),
    quotas: new Quotas({
      bucketOf,
      usedBytes: (bucketId) => parts.index.bucketTally(bucketId).bytes,
      monotonic: () => clock.monotonic(),
      sleep: (ms) => clock.sleep(ms),
    }),
    seenOnce: new SeenOnce(),
    mapVersion: options.mapVersion ?? (() => 0),
    processTag: crypto.randomUUID().slice(0, 8),
    filling: new Map(),
  }
}

function start(
  {
    context,
    evictor,
    mountpaths,
    health,
  }: {
    readonly context: StoreContext
    readonly evictor: Evictor
    readonly mountpaths: Mountpaths
    readonly health: MountpathHealth | undefined
  },
  {
    recencyPath,
    indexLock,
    syncIntervalMs,
  }: {
    readonly recencyPath: string
    readonly indexLock: ProcessLock | undefined
    readonly syncIntervalMs: number
  },
): LocalObjectStore {
  loadRecency(context, recencyPath)
  const stop = new AbortController()
  const work = [
    sweepPartialFiles(context).catch((error: unknown) =>
      context.observer.event('file-left-behind', { path: OWN.partial, code: String(error) }),
    ),
    keepNothingInPacks(context, stop.signal),
    keepSyncMarks(context, syncIntervalMs, stop.signal),
    keepCompact(context, stop.signal),
    keepRecency(context, recencyPath, stop.signal),
    keepTtl(context, stop.signal),
  ]
  return new LocalObjectStore(context, { mountpaths, health, evictor }, async () => {
    stop.abort(new Failure('unavailable', 'the store is closing'))
    await health?.close()
    await mountpaths.close()
    await Promise.all(work)
    await evictor.close()
    // A broken index was reported to the writers; the journals have what it lacks.
    await context.index.settled().catch(() => undefined)
    await replaceFile(recencyPath, context.policies.save())
    context.files.close()
    for (const drive of context.drives) {
      await drive.spares.close()
      await drive.packs.close()
      await drive.trash.stop()
      await drive.journal.close()
      await writeSyncMark(context, drive, true)
    }
    await context.index.close()
    await indexLock?.release()
    for (const { mountpath } of context.drives) await mountpath.close()
  })
}

/** Ends with the store, whatever the disks do. */
async function keepNothingInPacks(context: StoreContext, signal: AbortSignal): Promise<void> {
  const ended = once(signal, 'abort')
  const sweep = sweepPacks(context, context.drives, signal).catch((error: unknown) => {
    if (signal.aborted) return
    context.observer.event('file-left-behind', { path: OWN.packs, code: String(error) })
  })
  await Promise.race([sweep, ended])
}

/** How often the recency of objects is written beside the index, ms. */
const RECENCY_INTERVAL_MS = 10 * 60_000

async function keepRecency(
  context: StoreContext,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await context.clock.sleep(RECENCY_INTERVAL_MS, signal)
    } catch {
      // The store closes and writes it a last time.
      return
    }
    await replaceFile(path, context.policies.save()).catch(() =>
      context.observer.event('sync-failed', { path }),
    )
  }
}

function loadRecency(context: StoreContext, path: string): void {
  try {
    context.policies.load(readFileSync(path))
  } catch {
    // A new store, or a file that a crash took: eviction chooses less well for a while.
  }
}
