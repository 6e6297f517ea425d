import type { BackendBinding, BucketRecord, BucketRef, Provider } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import type { BucketS3 } from '@forebay/model/bucket-s3'

/** What a new bucket may state; the rest are defaults of its kind. */
export interface BucketOptions {
  readonly backend?: BackendBinding | undefined
  readonly aliases?: readonly string[] | undefined
  readonly properties?: Partial<BucketProperties> | undefined
}

/**
 * What may change of a bucket; absent fields stay. `properties` and `s3` are merged; `undefined`
 * resets one of them.
 */
export interface BucketChange {
  readonly aliases?: readonly string[] | undefined
  readonly properties?: Partial<BucketProperties> | undefined
  readonly s3?: Partial<BucketS3> | undefined
}

/**
 * The buckets that exist. Look-ups answer from memory without waiting and cost a map access; changes
 * are durable when their promise resolves, and are applied one after the other.
 */
export interface BucketTable {
  /** Raised by every change; a cached look-up holds while it stays. */
  readonly version: number

  /**
   * Buckets of the global namespace that a name or alias can mean: those named so first, `ais` before
   * the other providers. Empty when there is none; frozen.
   */
  get(name: string, provider?: Provider): readonly BucketRecord[]
  /** The bucket with exactly this identity. */
  find(ref: BucketRef): BucketRecord | undefined
  byId(id: number): BucketRecord | undefined
  /** All buckets, in the order of their ids; frozen. */
  list(): readonly BucketRecord[]

  /**
   * @throws Failure `bucket-exists` when the name is taken in its provider and namespace, or an alias
   * is taken; `bucket-name-invalid`, `property-invalid`; `disk-error`: then nothing has changed
   */
  create(ref: BucketRef, options?: BucketOptions): Promise<BucketRecord>
  /** @throws Failure as `create`, and `bucket-not-found` */
  update(id: number, change: BucketChange): Promise<BucketRecord>
  /**
   * Gives a bucket another name, in one step: id, objects, aliases and properties stay.
   *
   * @throws Failure as `update`
   */
  rename(id: number, ref: BucketRef): Promise<BucketRecord>
  /** Removes the bucket; its id is never used again. False when there is none. */
  destroy(id: number): Promise<boolean>
}
