import type { Backend, MutationOperations } from '@forebay/backend-port/backend'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { KeyedLock } from '@forebay/base/keyed-lock'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import type { CacheStatus } from '@forebay/peer/target-port'
import type { Inventories } from '../inventory/inventories.ts'
import type { ObjectStore } from '../store/contract.ts'
import { entryId } from '../store/entry-id.ts'
import type { Questions } from './ask-backend.ts'
import type { FillTable } from './fill-table.ts'
import type { Moment } from './freshness.ts'
import type { Generations } from './generations.ts'
import type { Mending } from './mending.ts'
import type { OverlapWatch } from './overlap.ts'
import type { ToldSince } from './told-since.ts'
import type { UnsettledKeys } from './unsettled.ts'
import type { VerifiedLately } from './verify-warm.ts'

/** Counts where the acts happen; the composition turns them into metrics. */
export interface ObjectObserver {
  /** `bucket` as `provider://name`, here and below. */
  read(bucket: string, status: CacheStatus): void
  /** Bytes of objects that came from the cache or from a backend into answers. */
  served(bucket: string, source: 'cache' | 'backend', bytes: number): void
  written(bucket: string, bytes: number): void
  /** A page of names came from the index, with so many cursor seeks. */
  listed(seeks: number): void
  /** Something an operator should see; never an expected failure of a client. */
  warn(event: string, facts: Readonly<Record<string, unknown>>): void
}

/** Everything the flows of objects stand on. */
export interface ObjectContext {
  readonly store: ObjectStore
  /** The adapter for a bucket with a backend. */
  readonly backendOf: (bucket: BucketRecord) => Backend
  readonly locks: KeyedLock
  readonly generations: Generations
  readonly overlaps: OverlapWatch
  readonly unsettled: UnsettledKeys
  readonly fills: FillTable
  readonly questions: Questions
  readonly mending: Mending
  readonly verified: VerifiedLately
  /** The bucket's properties with the node's and the kind's defaults. */
  propertiesOf(bucket: BucketRecord): BucketProperties
  readonly clock: Clock
  /** By what the freshness of the bucket's entries is judged now. */
  momentOf(bucket: BucketRecord): Moment
  /** Since when the node is told of changes at backends. */
  readonly told: ToldSince
  readonly observer: ObjectObserver
  readonly sendfile: 'auto' | 'off'
  /** What becomes of the fetch of a large object when its last reader leaves. */
  readonly whenAbandoned: 'stop' | 'finish'
  /** Fills at the same time; what is asked for beyond is read past the cache. */
  readonly fillsMax: number
  /** Objects up to this size are fetched into memory before they are stored, bytes; -1 = none. */
  readonly gatheredBytesMax: number
  /** Connections over which one large object is fetched at most; 1 = never in parallel. */
  readonly connectionsPerObjectMax: number
  /** What one of several connections fetches at a time, bytes; absent: 8 MiB. */
  readonly segmentBytes?: number | undefined
  /** Objects that are larger are copied into a store in parts, where it takes parts; bytes. */
  readonly copyPartsAboveBytes: number
  /** Share of its time that the event loop was busy of late, 0..1. */
  readonly loopBusyShare: () => number
  /** Longest time without progress of a client that reads, ms. */
  readonly writeStallTimeoutMs: number
  /** Goes into ids that must find their way back to this node. */
  readonly nodeId: string
  /** New keys must be paths of a file system too (setting `s3.portableKeys`); absent: false. */
  readonly portableKeys?: boolean | undefined
  /** Snapshots of what buckets list; absent: none. */
  readonly inventories?: Inventories | undefined
}

/** Name of a key in locks, generations and fills. Bucket ids are never reused, so neither is it. */
export function keyIdOf(bucket: { readonly id: number }, key: string): string {
  return entryId(bucket.id, key)
}

/**
 * Raises the key's generation: what slow work began with is out of date, and nobody joins it (rule 5).
 */
export function raiseKey(context: ObjectContext, keyId: string): void {
  context.generations.raise(keyId)
  context.fills.forget(keyId)
  context.questions.forget(keyId)
}

/** The same for every key of a bucket that somebody works on. */
export function raiseBucket(context: ObjectContext, bucket: { readonly id: number }): void {
  const ofBucket = keyIdOf(bucket, '')
  const busy = [
    ...context.generations.keyIds(),
    ...context.fills.keyIds(),
    ...context.questions.keyIds(),
  ]
  for (const keyId of busy) if (keyId.startsWith(ofBucket)) raiseKey(context, keyId)
}

/**
 * The write half of a bucket's backend.
 *
 * @throws Failure `bucket-read-only` | `not-implemented`
 */
export function mutationsOf(context: ObjectContext, bucket: BucketRecord): MutationOperations {
  const backend = context.backendOf(bucket)
  if (backend.mutations === undefined) {
    throw new Failure(
      'not-implemented',
      `${formatBucket(bucket.ref)}: its backend cannot be written`,
    )
  }
  return backend.mutations
}

/** @throws Failure `bucket-read-only` where the bucket refuses writes. */
export function checkWritable(context: ObjectContext, bucket: BucketRecord): void {
  if (context.propertiesOf(bucket).cache === 'read-only') {
    throw new Failure('bucket-read-only', `${formatBucket(bucket.ref)} is read-only`, {
      hint: 'set the bucket property cache to read-write',
    })
  }
}
