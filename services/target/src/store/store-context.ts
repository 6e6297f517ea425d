import type { BusySet } from '@forebay/base/busy-map'
import type { Clock } from '@forebay/base/clock'
import type { Digest64 } from '@forebay/base/digest'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { chooseByWeight, hrwDigest, uniqueName } from '@forebay/model/hrw'
import type { BucketPolicies } from '../space/bucket-policies.ts'
import type { Quotas } from '../space/quotas.ts'
import type { SeenOnce } from '../space/seen-once.ts'
import type { DriveSpace } from '../space/space.ts'
import type { BucketGate } from './bucket-gate.ts'
import type { DirectorySync } from './directory-sync.ts'
import type { FdCache } from './fd-cache.ts'
import type { Journal } from './journal.ts'
import type { Missed } from './missed.ts'
import type { Mountpath } from './mountpath.ts'
import type { MountpathState } from './mountpath-state.ts'
import type { Packs } from './packs.ts'
import type { RecordIndex } from './record-index.ts'
import type { Replacing } from './replacing.ts'
import type { SpareFiles } from './spare-files.ts'
import type { Trash } from './trash.ts'

/** What the store tells those who run it. */
export interface StoreObserver {
  /** Something happened that an operator or a metric should know; one event, facts as fields. */
  event(name: StoreEvent, facts: Readonly<Record<string, string | number | boolean>>): void
}

export type StoreEvent =
  | 'opened'
  | 'index-rebuilt'
  | 'journal-damaged'
  | 'unclean-boot'
  | 'copy-adopted'
  | 'record-voided'
  | 'record-corrupt'
  | 'file-left-behind'
  | 'sync-failed'
  | 'compacted'
  | 'compaction-failed'
  | 'evicted'
  | 'eviction-short'
  | 'expired'
  | 'mountpath-attached'
  | 'mountpath-detached'
  | 'mountpath-disabled'
  | 'mountpath-enabled'
  | 'mountpath-faulted'
  | 'mountpath-failing'
  | 'mountpath-draining'
  | 'drain-failed'

/** A mountpath at work. */
export interface Drive {
  readonly mountpath: Mountpath
  /** Of the mountpath: what keys are placed by. */
  readonly digest: Digest64
  readonly journal: Journal
  readonly space: DriveSpace
  readonly trash: Trash
  /** Sequences of commits that are not finished, oldest first: a sync mark stops before them. */
  readonly inFlight: BusySet<number>
  /** Files and objects in packs that are to be committed, so that a mountpath that leaves can wait for them. */
  readonly openWork: BusySet<object>
  readonly spares: SpareFiles
  readonly packs: Packs
  state: MountpathState
  /** This start came after a stop of the machine, not of a process: what was not synced may be torn. */
  readonly uncleanBoot: boolean
  /** Commits since the last mark that did not wait for the disk. */
  unsyncedCommits: number
}

/** Everything that the flows of the store stand on. */
export interface StoreContext {
  /** The mountpaths in service now: they come and go. */
  readonly drives: readonly Drive[]
  /** Those of them on which new versions go. */
  readonly placed: readonly Drive[]
  readonly driveByNumber: ReadonlyMap<number, Drive>
  /** Told of the versions that lost their place on a mountpath which is away. */
  readonly missed: Missed
  readonly index: RecordIndex
  readonly buckets: BucketGate
  readonly files: FdCache
  readonly replacing: Replacing
  readonly directories: DirectorySync
  readonly policies: BucketPolicies
  readonly quotas: Quotas
  /** Objects that were asked for once, where a bucket keeps them from the second time on. */
  readonly seenOnce: SeenOnce
  readonly clock: Clock
  readonly observer: StoreObserver
  readonly sequence: Sequence
  readonly mapVersion: () => number
  readonly bucketOf: (bucketId: number) => BucketRecord | undefined
  readonly lockKey: (bucketId: number, key: string) => Promise<() => void>
  /** Distinguishes the work files of this process from those of earlier ones. */
  readonly processTag: string
  /** How often partial files are open for writing, by inode: those are not evicted. */
  readonly filling: Map<number, number>
}

/** The counter of stamps and journal entries: never the same twice, whatever crashes. */
export class Sequence {
  #next: number

  constructor(next: number) {
    this.#next = next
  }

  take(): number {
    const taken = this.#next
    this.#next += 1
    return taken
  }

  /** Goes on at `next`; for start-up, before anything was taken. */
  startAt(next: number): void {
    this.#next = next
  }

  /** The one that will be taken next. */
  get next(): number {
    return this.#next
  }
}

/** The mountpath on which a new version of the key goes. */
export function driveOf(context: StoreContext, bucket: BucketRecord, key: string): Drive {
  const [first] = context.placed
  // Nothing is hashed for a target with one disk.
  const chosen =
    context.placed.length === 1
      ? first
      : chooseByWeight(context.placed, hrwDigest(uniqueName(bucket.ref, key)))
  if (chosen === undefined) throw new Failure('unavailable', 'this target has no mountpath')
  return chosen
}

/** Size on disk of `bytes` in a file of their own. */
export function roundToUnit(bytes: number, unitBytes: number): number {
  return Math.ceil(bytes / unitBytes) * unitBytes
}
