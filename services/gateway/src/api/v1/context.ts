import type { IncomingMessage } from 'node:http'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { BackendBinding, BucketRecord, BucketRef } from '@forebay/model/bucket'
import type { InventoryPort } from '@forebay/peer/inventory-port'
import type { ScrubPort } from '@forebay/peer/scrub-port'
import type { TargetPort } from '@forebay/peer/target-port'
import type { MemberIndexes } from '../../archives/member-index.ts'
import type { JobService } from '../../jobs/job-service.ts'
import type { EventDesk } from '../events/event-desk.ts'
import type { Answered } from '../s3/context.ts'
import type { MountpathControl, MountpathStatus } from './mountpaths.ts'

/** What a caller must be allowed: `admin` manages buckets and the node. */
export type V1Need = 'read' | 'list' | 'write' | 'admin'

/** A bucket as a request names it; without a provider: `ais` first, else the only match. */
export interface WantedBucket {
  readonly name: string
  readonly provider: BucketRef['provider'] | undefined
  readonly namespace: BucketRef['namespace']
  /** False: only the bucket table is asked, nothing is brought in from a backend. */
  readonly lookUp: boolean
  /** What the caller must be allowed to do to it. */
  readonly need: V1Need
}

/** Counters since the start of the process. */
export interface CacheCounters {
  readonly hits: number
  readonly misses: number
  readonly partial: number
  readonly stale: number
  readonly bytesFromCache: number
  readonly bytesFromBackend: number
  readonly backendRequests: number
}

export interface NodeStatus {
  readonly version: string
  readonly mountpaths: readonly MountpathStatus[]
  readonly cache: CacheCounters
  readonly objectCount: number | undefined
  /** Keys that are asked of their backend before each answer, because a write may have been applied. */
  readonly unsettledCount: number
}

/** What a bucket takes on this node. */
export interface BucketSpace {
  readonly objectCount: number
  /** On disk, with what is being written. */
  readonly usedBytes: number
  /** Promised to what is being written, and not counted as used yet. */
  readonly reservedBytes: number
}

/** Everything that the native door needs of its node. */
export interface V1Context {
  readonly nodeId: string
  readonly clusterId: string
  /** Milliseconds since 1970. */
  readonly startedMs: number
  readonly target: TargetPort
  readonly buckets: BucketTable

  /** True when the authenticated caller may do this, to this bucket where one is named. */
  allows(request: IncomingMessage, need: V1Need, bucket?: string): boolean
  /**
   * The bucket that a request means, when the caller may use it so; brought in from a configured
   * backend where that is allowed.
   *
   * @throws Failure `bucket-not-found` | `bucket-ambiguous` | `access-denied` | `backend-*`
   */
  resolveBucket(
    wanted: WantedBucket,
    request: IncomingMessage,
    signal: AbortSignal,
  ): Promise<BucketRecord>
  /** @throws Failure `bucket-not-found` | `backend-*` when the bucket at the backend cannot be used */
  checkBackend(binding: BackendBinding, signal: AbortSignal): Promise<void>

  /** Where members of archives are that were read lately. */
  readonly memberIndexes: MemberIndexes

  health(): { readonly ready: boolean; readonly reasons: readonly string[] }
  status(): Promise<NodeStatus>
  spaceOf(bucket: BucketRecord): BucketSpace
  /** The reader in the background that looks for damage. */
  readonly scrub?: ScrubPort | undefined
  /** What works in the background by order; absent where nothing does. */
  readonly jobs?: JobService | undefined
  /** Lists kept on disk; absent where none are. */
  readonly inventories?: InventoryPort | undefined
  /** Absent on a node without disks. */
  readonly mountpaths?: MountpathControl | undefined
  /** Every setting, secrets redacted. */
  config(): readonly {
    readonly key: string
    readonly value: unknown
    readonly origin: string
    /** What the setting is for. */
    readonly doc?: string | undefined
  }[]
  /** True when the request may read the metrics whoever makes it: open mode, or a metrics token. */
  mayReadMetrics(request: IncomingMessage): boolean
  /** Takes the events of stores; absent where none are taken. */
  readonly events?: EventDesk | undefined
  /** True when the request may send events: by a token, from this host, or as an admin. */
  maySendEvents(request: IncomingMessage): boolean
  /** Prometheus text. */
  metrics(): Promise<string>
  /** The last lines of the log, oldest first, as they were written. */
  recentLog?(): readonly string[]
  /** Longest pause of a client that sends a body, ms. */
  readonly readStallTimeoutMs: number
  /** Id of the user who makes a request, for the access log; absent in open mode. */
  userOf?(request: IncomingMessage): string | undefined
  /** Told of every answered request; `operation` is of a small fixed set. */
  onAnswer?(answered: Answered): void
  /** Told of failures that are mistakes or faults of this node, and of answers that broke off. */
  report(error: unknown, requestId: string): void
}
