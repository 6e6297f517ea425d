import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { BucketPolicies } from '../space/bucket-policies.ts'
import { policyKindOf } from '../space/evictable.ts'
import { Evictor } from '../space/evictor.ts'
import { DriveSpace, WATERMARKS_DEFAULT, type Watermarks } from '../space/space.ts'
import { BucketGate } from './bucket-gate.ts'
import { keepCompact } from './compaction.ts'
import { DirectorySync } from './directory-sync.ts'
import { FdCache } from './fd-cache.ts'
import type { IndexDatabases } from './index-db.ts'
import { Journal } from './journal.ts'
import { listSegments } from './journal-read.ts'
import { LocalObjectStore } from './local-store.ts'
import { type Mountpath, OWN, openMountpath } from './mountpath.ts'
import { isUncleanBoot, readState } from './mountpath-state.ts'
import { RESERVED_NAME } from './naming.ts'
import { openIndex } from './open-index.ts'
import { lockDirectory, type ProcessLock } from './process-lock.ts'
import { RecordIndex } from './record-index.ts'
import { recover, sweepPartialFiles } from './recover.ts'
import { replaceFile } from './replace-file.ts'
import { type Drive, Sequence, type StoreContext, type StoreObserver } from './store-context.ts'
import { keepSyncMarks, SYNC_MARK_INTERVAL_MS, writeSyncMark } from './sync-mark.ts'
import { Trash } from './trash.ts'

export interface StoreOptions {
  /** At least one; in any order. */
  readonly mountpaths: readonly { readonly path: string }[]
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
  const opened: Mountpath[] = []
  try {
    for (const { path } of options.mountpaths) {
      opened.push(await openMountpath(path, options.clusterId))
    }
    checkNumbers(opened)
    return await openOn(opened, options)
  } catch (error) {
    for (const mountpath of opened) await mountpath.close()
    throw error
  }
}

async function openOn(
  mountpaths: readonly Mountpath[],
  options: StoreOptions,
): Promise<LocalObjectStore> {
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
  const drives: Drive[] = []
  try {
    return await openWith({ databases, rebuild, own, indexLock, mountpaths, drives }, options)
  } catch (error) {
    await Promise.allSettled(drives.map(({ journal }) => journal.close()))
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
  readonly mountpaths: readonly Mountpath[]
  /** Filled as they are opened, so that a failure can close them. */
  readonly drives: Drive[]
}

async function openWith(
  { databases, rebuild, own, indexLock, mountpaths, drives }: Parts,
  options: StoreOptions,
): Promise<LocalObjectStore> {
  // Drives and index need each other: space counts what the index counts.
  const late: { index?: RecordIndex; evictor?: Evictor } = {}
  for (const mountpath of mountpaths) {
    drives.push(await openDrive(mountpath, options, late))
  }
  const driveByNumber = new Map(drives.map((drive) => [drive.mountpath.number, drive]))
  const sequence = new Sequence(1)
  const index = new RecordIndex({
    databases,
    journals: new Map(drives.map(({ mountpath, journal }) => [mountpath.number, journal])),
    suspectBelow: (number) => driveByNumber.get(number)?.state.suspectBelow ?? 0,
    sequence: () => sequence.next,
    recordsCachedMax: options.limits?.recordsCachedMax,
  })
  late.index = index
  const context = makeContext(options, { drives, driveByNumber, index, sequence })
  await recover(context, { rebuild, clusterId: options.clusterId })
  for (const drive of drives) drive.trash.empty()
  late.evictor = new Evictor(context)
  return start(context, late.evictor, {
    recencyPath: join(own, 'recency'),
    indexLock,
    syncIntervalMs: options.syncIntervalMs ?? SYNC_MARK_INTERVAL_MS,
  })
}

function makeContext(
  options: StoreOptions,
  parts: Pick<StoreContext, 'drives' | 'driveByNumber' | 'index' | 'sequence'>,
): StoreContext {
  const { clock, observer, bucketOf, lockKey } = options
  return {
    ...parts,
    clock,
    observer,
    bucketOf,
    lockKey,
    files: new FdCache(
      (number) => parts.driveByNumber.get(number)?.mountpath,
      options.limits?.openFilesMax,
    ),
    buckets: new BucketGate(),
    directories: new DirectorySync(),
    policies: new BucketPolicies({
      kindOf: (bucketId) => policyKindOf(bucketOf(bucketId)),
      nowSeconds: () => Math.floor(clock.now() / 1000),
    }),
    mapVersion: options.mapVersion ?? (() => 0),
    processTag: crypto.randomUUID().slice(0, 8),
    filling: new Map(),
  }
}

async function openDrive(
  mountpath: Mountpath,
  options: StoreOptions,
  late: { readonly index?: RecordIndex; readonly evictor?: Evictor },
): Promise<Drive> {
  const { root, number } = mountpath
  const directory = join(root, OWN.journal)
  const last = listSegments(directory).at(-1)?.number ?? 0
  const space = new DriveSpace({
    root,
    capacityBytes: options.capacityBytes,
    watermarks: options.watermarks ?? WATERMARKS_DEFAULT,
    usedBytes: () => late.index?.mountpathTally(number).bytes ?? 0,
    monotonic: () => options.clock.monotonic(),
    sleep: (ms) => options.clock.sleep(ms),
    makeRoom: () => late.evictor?.makeRoom(number) ?? Promise.resolve(false),
  })
  const trash = new Trash(root, (path, code) =>
    options.observer.event('file-left-behind', { path, code }),
  )
  const state = readState(root) ?? {
    identity: mountpath.identity,
    syncedBelow: 0,
    suspectBelow: 0,
    // A mountpath without a journal is new: there is nothing to doubt.
    clean: last === 0,
  }
  return {
    mountpath,
    digest: mountpath.digest,
    // One number is left free for the snapshot that may follow.
    journal: await Journal.open(directory, last + 1),
    space,
    trash,
    inFlight: new Set(),
    state,
    uncleanBoot: last > 0 && isUncleanBoot(readState(root), mountpath.identity),
    unsyncedCommits: 0,
  }
}

function start(
  context: StoreContext,
  evictor: Evictor,
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
    keepSyncMarks(context, syncIntervalMs, stop.signal),
    keepCompact(context, stop.signal),
    keepRecency(context, recencyPath, stop.signal),
  ]
  return new LocalObjectStore(context, async () => {
    stop.abort(new Failure('unavailable', 'the store is closing'))
    await Promise.all(work)
    await evictor.close()
    // A broken index was reported to the writers; the journals have what it lacks.
    await context.index.settled().catch(() => undefined)
    await replaceFile(recencyPath, context.policies.save())
    context.files.close()
    for (const drive of context.drives) {
      await drive.trash.stop()
      await drive.journal.close()
      await writeSyncMark(context, drive, true)
    }
    await context.index.close()
    await indexLock?.release()
    for (const { mountpath } of context.drives) await mountpath.close()
  })
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

function checkNumbers(mountpaths: readonly Mountpath[]): void {
  const numbers = new Set(mountpaths.map(({ number }) => number))
  if (numbers.size === mountpaths.length) return
  throw new Failure('setting-invalid', 'two mountpaths have the same number', {
    hint: 'One is a copy of the other: leave it out.',
  })
}
