import { type StatsFs, statfs, statfsSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { waitForRoom } from './wait-for-room.ts'

/** Unit in which space of unknown length is reserved, bytes. */
export const RESERVE_STEP_BYTES = 16 * 1024 ** 2

/** How old a look at the file system may be, ms. */
const FREE_AGE_MAX_MS = 1000

/** Shares of the capacity, 0..1, low < high < full. */
export interface Watermarks {
  /** Eviction stops here. */
  readonly low: number
  /** Eviction starts here. */
  readonly high: number
  /** Nothing is admitted beyond. */
  readonly full: number
}

/**
 * Up to here an object comes in for which nothing may be evicted, as share of the capacity: a tenth of
 * the way from high to low mark is left, because what others write to the disk changes the capacity.
 */
export function admissionMark({ low, high }: Watermarks): number {
  return high - (high - low) / 10
}

export const WATERMARKS_DEFAULT: Watermarks = { low: 0.85, high: 0.9, full: 0.95 }

export interface DriveSpaceOptions {
  /** Absolute path of the mountpath. */
  readonly root: string
  /** A ceiling set by the operator; the file system's own size holds in any case. */
  readonly capacityBytes: number | undefined
  readonly watermarks: Watermarks
  /** Bytes of the records on the mountpath, with writes under way. */
  readonly usedBytes: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  readonly sleep: (ms: number) => Promise<void>
  /** Starts an eviction if one can help; resolves when it has freed something or given up. */
  readonly makeRoom: () => Promise<boolean>
}

/**
 * The room of one mountpath. Bytes are reserved before they are written, so the limit holds under any
 * concurrency: used + reserved never passes it, and what is reserved is free on the file system.
 */
export class DriveSpace {
  readonly #options: DriveSpaceOptions
  #reservedBytes = 0
  #freeBytes = 0
  #looking = false
  #freeAtMs: number
  /** Reserved since the last look: may be written by now, so it counts against what was free. */
  #reservedSince = 0

  constructor(options: DriveSpaceOptions) {
    this.#options = options
    this.#freeAtMs = options.monotonic()
    this.#see(statfsSync(options.root))
  }

  get reservedBytes(): number {
    return this.#reservedBytes
  }

  get usedBytes(): number {
    return this.#options.usedBytes()
  }

  /** What records may take: the operator's ceiling, or what the file system could give them. */
  get capacityBytes(): number {
    this.#look()
    return this.#seenCapacityBytes()
  }

  /** By the last look: where one was just taken, another one costs each cold read a clock. */
  #seenCapacityBytes(): number {
    const own = this.usedBytes + this.#freeBytes
    return Math.max(0, Math.min(this.#options.capacityBytes ?? own, own))
  }

  /** Bytes that can come in before nothing is admitted any more. */
  get roomBytes(): number {
    const limit = this.capacityBytes * this.#options.watermarks.full
    return Math.max(0, Math.floor(limit - this.usedBytes - this.#reservedBytes))
  }

  /** Bytes to evict so that the mountpath is at its low watermark; 0 while it is under the high one. */
  get excessBytes(): number {
    this.#look()
    return this.#seenExcessBytes()
  }

  #seenExcessBytes(): number {
    const { low, high } = this.#options.watermarks
    const taken = this.usedBytes + this.#reservedBytes
    const capacity = this.#seenCapacityBytes()
    return taken <= capacity * high ? 0 : Math.ceil(taken - capacity * low)
  }

  /** Bytes above a share of the capacity, 0..1; of the low watermark by default. */
  bytesAbove(share = this.#options.watermarks.low): number {
    const taken = this.usedBytes + this.#reservedBytes
    return Math.max(0, Math.ceil(taken - this.capacityBytes * share))
  }

  /** True when so many bytes can come in without anything being evicted. */
  hasRoom(bytes: number): boolean {
    this.#look()
    const taken = this.usedBytes + this.#reservedBytes + bytes
    if (this.#reservedSince + bytes > this.#freeBytes) return false
    return taken <= this.#seenCapacityBytes() * admissionMark(this.#options.watermarks)
  }

  /**
   * Takes `bytes` of room.
   *
   * @throws Failure `slow-down` while eviction can still help, `out-of-space` when not
   */
  reserve(bytes: number): void | Promise<void> {
    return this.#take(bytes) ? undefined : this.#wait(bytes)
  }

  async #wait(bytes: number): Promise<void> {
    const outcome = await waitForRoom({
      ...this.#options,
      take: () => this.#take(bytes),
      makeRoom: () =>
        this.#options.makeRoom().finally(() => {
          this.#freeAtMs = Number.NEGATIVE_INFINITY
        }),
    })
    if (outcome === 'taken') return
    if (outcome === 'late') {
      throw new Failure('slow-down', `${this.#options.root} is full; space is being made`, {
        retryAfterSeconds: 1,
      })
    }
    throw new Failure('out-of-space', `${this.#options.root} has no room for ${bytes} bytes`, {
      hint: 'Delete or evict objects, raise the capacity, or add a mountpath.',
    })
  }

  /** Gives room back: written and counted as used, or not needed. */
  release(bytes: number): void {
    this.#reservedBytes = Math.max(0, this.#reservedBytes - bytes)
  }

  #take(bytes: number): boolean {
    this.#look()
    const limit = this.#seenCapacityBytes() * this.#options.watermarks.full
    // An empty object needs no room, so a full disk still takes it.
    if (bytes > 0) {
      if (this.usedBytes + this.#reservedBytes + bytes > limit) return false
      if (this.#reservedSince + bytes > this.#freeBytes) return false
    }
    this.#reservedBytes += bytes
    this.#reservedSince += bytes
    if (this.#seenExcessBytes() > 0) void this.#options.makeRoom()
    return true
  }

  /** Looks at the file system when the last look is old: off the loop, for a disk may hang. */
  #look(): void {
    const now = this.#options.monotonic()
    if (this.#looking || now - this.#freeAtMs < FREE_AGE_MAX_MS) return
    this.#looking = true
    const reservedBefore = this.#reservedSince
    statfs(this.#options.root, (error, stats) => {
      this.#looking = false
      this.#freeAtMs = this.#options.monotonic()
      // What was reserved while the system looked is not in what it saw.
      const meanwhile = this.#reservedSince - reservedBefore
      if (error === null) this.#see(stats, meanwhile)
    })
  }

  #see({ bavail, bsize }: StatsFs, reservedMeanwhile = 0): void {
    this.#freeBytes = bavail * bsize
    this.#reservedSince = Math.max(this.#reservedBytes, reservedMeanwhile)
  }
}
