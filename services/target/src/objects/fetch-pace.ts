/** Share of the loop's time beyond which another connection only makes the others slower, 0..1. */
const LOOP_BUSY_MAX = 0.85

/** A connection that brings this much is not what a read waits for: half of what one loop moves. Bytes a second. */
export const FAST_CONNECTION_BYTES_PER_SECOND = 200 * 1024 ** 2

/** How long a number of connections is watched before it is judged, ms. */
export const WINDOW_MS = 200

/** How long connections may take to bring their first byte before their number is judged all the same, ms. */
const START_MS_MAX = 1000

/** What twice the connections must bring at least, as a factor, so that they are kept. */
export const GAIN_MIN = 1.2

/** How long after a number that did not pay, or a refusal, the next one is tried; doubles each time. ms. */
export const HOLD_MS = 5000
const HOLD_MS_MAX = 80_000

export interface FetchPaceOptions {
  /** Most connections, >= 1. */
  readonly connectionsMax: number
  /** What one of several fetches at a time, bytes; absent: what is usual. */
  readonly segmentBytes?: number | undefined
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
  /** Share of its time that the event loop was busy since it was asked last, 0..1. */
  readonly busyShare: () => number
}

/**
 * How many connections one fill should have: one at first, twice as many as long as that pays, half as
 * many after a refusal. Driven by the bytes that arrive; has no timer.
 */
export class FetchPace {
  readonly #options: FetchPaceOptions
  #target = 1
  /** What was brought before the last growth, which is still to be judged. */
  #before: { readonly target: number; readonly bytesPerSecond: number } | undefined
  #windowAt: number | undefined
  #windowBytes = 0
  #startingSince: number | undefined
  #holdUntil = Number.NEGATIVE_INFINITY
  #holdMs = HOLD_MS
  #stopped = false

  constructor(options: FetchPaceOptions) {
    this.#options = options
  }

  /** What one of several connections is to fetch at a time, bytes; absent: what is usual. */
  get segmentBytes(): number | undefined {
    return this.#options.segmentBytes
  }

  /** Connections wanted now, >= 1. */
  get target(): number {
    return this.#target
  }

  /**
   * Notes bytes that arrived on one of `active` connections.
   *
   * @returns true when more connections are wanted than before
   */
  note(lengthBytes: number, active: number): boolean {
    if (this.#stopped) return false
    const now = this.#options.monotonic()
    if (this.#startingSince !== undefined) {
      const late = now - this.#startingSince >= START_MS_MAX
      if (active < this.#target && !late) return false
      this.#startingSince = undefined
      this.#windowAt = undefined
    }
    if (this.#windowAt === undefined) {
      this.#windowAt = now
      // What the loop did before is another matter.
      this.#options.busyShare()
    }
    this.#windowBytes += lengthBytes
    const elapsedMs = now - this.#windowAt
    if (elapsedMs < WINDOW_MS) return false
    const bytesPerSecond = (this.#windowBytes * 1000) / elapsedMs
    this.#newWindow()
    return this.#judge(bytesPerSecond, now)
  }

  /** The origin refused or broke a connection: half as many, and no more for a while. */
  refused(): void {
    this.#before = undefined
    this.#target = Math.max(1, Math.floor(this.#target / 2))
    this.#hold(this.#options.monotonic())
  }

  /** No more than one connection from now on. */
  stop(): void {
    this.#stopped = true
    this.#target = 1
  }

  #judge(bytesPerSecond: number, now: number): boolean {
    const before = this.#before
    this.#before = undefined
    if (before !== undefined && bytesPerSecond < before.bytesPerSecond * GAIN_MIN) {
      this.#target = before.target
      this.#hold(now)
      return false
    }
    const busy = this.#options.busyShare() > LOOP_BUSY_MAX
    if (now < this.#holdUntil || this.#target >= this.#options.connectionsMax || busy) return false
    if (bytesPerSecond / this.#target >= FAST_CONNECTION_BYTES_PER_SECOND) return false
    this.#before = { target: this.#target, bytesPerSecond }
    this.#target = Math.min(this.#options.connectionsMax, this.#target * 2)
    this.#startingSince = now
    return true
  }

  #hold(now: number): void {
    this.#holdUntil = now + this.#holdMs
    this.#holdMs = Math.min(HOLD_MS_MAX, this.#holdMs * 2)
    this.#newWindow()
  }

  #newWindow(): void {
    this.#windowAt = undefined
    this.#windowBytes = 0
  }
}

/** How old the picture of the loop may be, ms: shorter looks only see chance. */
const BUSY_SAMPLE_MS = 100

/** The share of its time that the event loop was busy since it was asked last, 0..1. */
export function watchLoop(): () => number {
  let last = performance.eventLoopUtilization()
  let lookedAt = performance.now()
  let share = 0
  return () => {
    if (performance.now() - lookedAt < BUSY_SAMPLE_MS) return share
    const now = performance.eventLoopUtilization()
    share = performance.eventLoopUtilization(now, last).utilization
    last = now
    lookedAt = performance.now()
    return share
  }
}
