import type { Clock } from '@forebay/base/clock'
import type { BucketRecord } from '@forebay/model/bucket'

/**
 * Since when the node is told of every change in a bucket, for buckets that are fresh until an event
 * says otherwise.
 *
 * Events that were sent while the node was down, or before the bucket was set to believe them, are
 * missed: what was confirmed earlier is asked about once more. Each row of the bucket table begins
 * anew, when it is first looked at.
 */
export class ToldSince {
  readonly #clock: Clock
  readonly #sinceMs = new WeakMap<BucketRecord, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Wall clock, ms: what was confirmed later than this, and was not named since, is current. */
  of(bucket: BucketRecord): number {
    // What is confirmed in this millisecond counts: it is the first look that leads to it.
    return this.#sinceMs.get(bucket) ?? this.#begin(bucket, this.#clock.now() - 1)
  }

  /** Makes everything that was confirmed until now count for nothing. */
  beginAnew(bucket: BucketRecord): void {
    this.#begin(bucket, this.#clock.now())
  }

  #begin(bucket: BucketRecord, sinceMs: number): number {
    this.#sinceMs.set(bucket, sinceMs)
    return sinceMs
  }
}
