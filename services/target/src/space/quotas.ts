import { formatBytes } from '@forebay/base/bytes'
import { Failure, isFailure } from '@forebay/base/failure'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { rulesOf } from './bucket-rules.ts'
import { waitForRoom } from './wait-for-room.ts'

export interface QuotasOptions {
  readonly bucketOf: (bucketId: number) => BucketRecord | undefined
  /** Bytes of the bucket's records, with writes under way. */
  readonly usedBytes: (bucketId: number) => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  readonly sleep: (ms: number) => Promise<void>
}

/** What one bucket takes on this node. */
export interface BucketRoom {
  readonly usedBytes: number
  readonly reservedBytes: number
  /** The most that both were together since the start. */
  readonly highestBytes: number
}

/**
 * The room of each bucket. Bytes are reserved before they are written, so that a quota holds under
 * any concurrency: used + reserved never passes it. Buckets without one are counted all the same: a
 * quota may come while they are written.
 */
export class Quotas {
  readonly #options: QuotasOptions
  readonly #reserved = new Map<number, number>()
  readonly #highest = new Map<number, number>()
  /** Sizes that wait for room, by bucket. */
  readonly #waiting = new Map<number, number[]>()
  #makeRoom: (bucketId: number) => Promise<boolean> = () => Promise.resolve(false)

  constructor(options: QuotasOptions) {
    this.#options = options
  }

  /** Says who evicts objects of a bucket: resolves true when it freed anything. */
  evictWith(makeRoom: (bucketId: number) => Promise<boolean>): void {
    this.#makeRoom = makeRoom
  }

  roomOf(bucketId: number): BucketRoom {
    return {
      usedBytes: this.#options.usedBytes(bucketId),
      reservedBytes: this.#reserved.get(bucketId) ?? 0,
      highestBytes: this.#highest.get(bucketId) ?? 0,
    }
  }

  /** Bytes to evict so that the bucket is at its low mark and the largest that waits fits; 0 below the high one. */
  excessBytes(bucketId: number): number {
    const { highBytes, lowBytes } = this.#rules(bucketId)
    const wanted = this.#takenBytes(bucketId) + Math.max(0, ...(this.#waiting.get(bucketId) ?? []))
    return wanted <= highBytes ? 0 : Math.ceil(wanted - lowBytes)
  }

  /** True when so many bytes can come in without anything of the bucket being evicted. */
  hasRoom(bucketId: number, bytes: number): boolean {
    return this.#takenBytes(bucketId) + bytes <= this.#rules(bucketId).highBytes
  }

  /** Takes room where it is there at once. */
  take(bucketId: number, bytes: number): boolean {
    const taken = this.#takenBytes(bucketId) + bytes
    // What needs no room fits into a full bucket too.
    if (bytes > 0 && taken > this.#rules(bucketId).quotaBytes) return false
    this.#reserved.set(bucketId, (this.#reserved.get(bucketId) ?? 0) + bytes)
    if (taken > (this.#highest.get(bucketId) ?? 0)) this.#highest.set(bucketId, taken)
    if (taken > this.#rules(bucketId).highBytes) void this.#makeRoom(bucketId)
    return true
  }

  /**
   * Takes room, for which objects of the bucket may have to go.
   *
   * @returns nothing where the room was there
   * @throws Failure `slow-down` while eviction can still help, `out-of-space` when not
   */
  reserve(bucketId: number, bytes: number): void | Promise<void> {
    return this.take(bucketId, bytes) ? undefined : this.#wait(bucketId, bytes)
  }

  async #wait(bucketId: number, bytes: number): Promise<void> {
    if (bytes > this.#rules(bucketId).quotaBytes) throw this.#outOfSpace(bucketId, bytes)
    const waiting = this.#waiting.get(bucketId) ?? []
    this.#waiting.set(bucketId, waiting)
    waiting.push(bytes)
    try {
      const outcome = await waitForRoom({
        take: () => this.take(bucketId, bytes),
        makeRoom: () => this.#makeRoom(bucketId),
        monotonic: this.#options.monotonic,
        sleep: this.#options.sleep,
      })
      if (outcome === 'taken') return
      if (outcome === 'full') throw this.#outOfSpace(bucketId, bytes)
      throw new Failure('slow-down', 'the bucket is at its quota; space is being made', {
        retryAfterSeconds: 1,
      })
    } finally {
      waiting.splice(waiting.indexOf(bytes), 1)
      if (waiting.length === 0) this.#waiting.delete(bucketId)
    }
  }

  /** Gives room back: written and counted as used, or not needed. */
  release(bucketId: number, bytes: number): void {
    const left = (this.#reserved.get(bucketId) ?? 0) - bytes
    if (left > 0) this.#reserved.set(bucketId, left)
    else this.#reserved.delete(bucketId)
  }

  #rules(bucketId: number) {
    return rulesOf(this.#options.bucketOf(bucketId))
  }

  #takenBytes(bucketId: number): number {
    return this.#options.usedBytes(bucketId) + (this.#reserved.get(bucketId) ?? 0)
  }

  #outOfSpace(bucketId: number, bytes: number): Failure {
    const bucket = this.#options.bucketOf(bucketId)
    const { quotaBytes } = rulesOf(bucket)
    const name = bucket === undefined ? `bucket ${bucketId}` : formatBucket(bucket.ref)
    const used = this.#takenBytes(bucketId)
    return new Failure(
      'out-of-space',
      `${name} has no room for ${bytes} bytes: its quota is ${formatBytes(quotaBytes)}, ${used} bytes are taken`,
      { hint: 'Delete objects of the bucket, take pins away, or raise its quota.' },
    )
  }
}

/** The part of a bucket's room that one file holds. */
export class QuotaHold {
  readonly #quotas: Quotas
  readonly #bucketId: number
  readonly #mayPass: boolean
  #heldBytes = 0
  /** Asked for and not granted yet. */
  #askedBytes = 0
  #within = true
  #released = false

  /** @param mayPass where the quota has no room the file goes on without it: it is not to be kept */
  constructor(quotas: Quotas, bucketId: number, mayPass: boolean) {
    this.#quotas = quotas
    this.#bucketId = bucketId
    this.#mayPass = mayPass
  }

  /** False when the quota has no room for the file. */
  get isWithin(): boolean {
    return this.#within
  }

  /**
   * Makes sure of room up to `bytes` in all.
   *
   * @returns nothing where the room was there
   * @throws Failure `slow-down` | `out-of-space`
   */
  upTo(bytes: number): void | Promise<void> {
    const missing = bytes - this.#heldBytes - this.#askedBytes
    if (missing <= 0 || !this.#within) return undefined
    if (this.#released || !this.#quotas.take(this.#bucketId, missing)) return this.#wait(missing)
    this.#heldBytes += missing
    return undefined
  }

  async #wait(missing: number): Promise<void> {
    // Counted before the wait: a second call meanwhile must not reserve the same bytes again.
    this.#askedBytes += missing
    try {
      await this.#quotas.reserve(this.#bucketId, missing)
      this.#heldBytes += missing
    } catch (error) {
      if (!this.#mayPass || !isFailure(error, 'out-of-space', 'slow-down')) throw error
      this.#within = false
    } finally {
      this.#askedBytes -= missing
    }
    // Given up during the wait: only what was granted is given back.
    if (this.#released || !this.#within) this.only(0)
  }

  /** Gives back what is held beyond `bytes` in all. */
  only(bytes: number): void {
    const spare = this.#heldBytes + this.#askedBytes - bytes
    const given = Math.max(0, Math.min(this.#heldBytes, spare))
    this.#quotas.release(this.#bucketId, given)
    this.#heldBytes -= given
  }

  /** Gives everything back, also what is granted later. */
  release(): void {
    this.#released = true
    this.only(0)
  }
}
