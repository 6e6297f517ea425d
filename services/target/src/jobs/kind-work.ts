import type { Web } from '@forebay/backend-port/web'
import type { Clock } from '@forebay/base/clock'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { Lease, ListedStep } from '@forebay/jobs/engine'
import type { JobItem, JobRecord, JsonObject } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ScrubPort } from '@forebay/peer/scrub-port'
import type { TargetPort } from '@forebay/peer/target-port'
import type { Inventories } from '../inventory/inventories.ts'
import type { ObjectContext } from '../objects/context.ts'
import type { LocalObjectStore } from '../store/local-store.ts'

/** HuggingFace's hub, as the node is set to reach it. */
export interface HubAccess {
  /** Base URL without a slash at its end. Tokens are sent there and nowhere else. */
  readonly endpoint: string
  /** The token in an environment variable of the node; jobs store its name alone. */
  tokenOf(variable: string): string | undefined
}

/** What is behind the objects of this node, for kinds that concern the node itself. */
export interface OwnStore {
  readonly objects: ObjectContext
  readonly store: LocalObjectStore
  readonly scrub: ScrubPort
}

/** What kinds work with. */
export interface JobContext {
  readonly nodeId: string
  readonly target: TargetPort
  readonly buckets: BucketTable
  readonly clock: Clock
  /** Web servers that users name. */
  readonly web: Web
  readonly hub: HubAccess
  /** Snapshots of what buckets list, on this node; absent: it keeps none. */
  readonly inventories?: Inventories | undefined
  /** Folders of this node whose files jobs may make objects of; absent: none. */
  readonly promoteFolders?: readonly string[] | undefined
  readonly own: OwnStore
  /** The bucket of a job, as it is now. @throws Failure `bucket-not-found` */
  bucketOf(job: JobRecord): BucketRecord
  /** Node id of the owner of a key. */
  ownerOf(bucket: BucketRecord, key: string): string
}

/** Where the bytes of an item are told while they come. */
export interface ItemFlow {
  /**
   * Shows bytes as progress, and holds them to the rate of the job.
   *
   * @returns undefined, or what resolves when the next may come
   * @throws the signal's reason of the lease, by the promise
   */
  moved(bytes: number): Promise<void> | undefined
}

/** What became of one item. Failures are thrown. */
export type ItemResult =
  | { readonly kind: 'done'; readonly bytes: number }
  /** `why` in a word or two, for people: `cached`, `changed`, `absent`. */
  | { readonly kind: 'skipped'; readonly why: string }

/**
 * How the jobs of one kind are done. Works on one attempt of one job; keeps nothing between calls, since
 * the next may be in another process.
 */
export interface KindWork {
  /** Name in the catalogue of `@forebay/jobs`. */
  readonly name: string
  /** What this node refuses of an order, before it is taken. @throws Failure, status 400 */
  vet?(context: Pick<JobContext, 'web' | 'hub' | 'promoteFolders'>, args: JsonObject): void
  list(
    context: JobContext,
    step: {
      readonly job: JobRecord
      readonly cursor: string | undefined
      readonly lease: Lease
    },
  ): Promise<ListedStep>
  /** Items tell their bytes to the flow; of others what `sizeBytes` expects is spent when they begin. */
  readonly flows?: true
  /** Must be right when it is done twice. Calls `lease.check()` right before each effect. */
  apply(
    context: JobContext,
    work: {
      readonly job: JobRecord
      readonly item: JobItem
      readonly lease: Lease
      /** Absent: nobody looks, and there is no rate. */
      readonly flow?: ItemFlow | undefined
    },
  ): Promise<ItemResult>
  /** The last step; may come more than once. */
  end?(
    context: JobContext,
    step: { readonly job: JobRecord; readonly lease: Lease },
  ): Promise<JsonObject | undefined>
}
