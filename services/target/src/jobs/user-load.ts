import type { Clock } from '@forebay/base/clock'

/** Waits that one window keeps: more tell nothing new. */
const WAITS_MAX = 256

/** What users did since the last look. */
export interface LoadWindow {
  /** How long reads waited for a store until their first byte was there, ms; at most 256, the latest. */
  readonly waitsMs: readonly number[]
}

/** What users want of the node: told by whoever answers them, looked at by the pace of jobs. */
export class UserLoad {
  readonly #clock: Clock
  #waitsMs: number[] = []
  #next = 0
  #lastAt = Number.NEGATIVE_INFINITY
  /** What was asked for before tells of another time. */
  #countedFrom = Number.NEGATIVE_INFINITY
  #inFlight = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Milliseconds since a user last asked for anything; 0 while one waits. */
  get idleMs(): number {
    return this.#inFlight > 0 ? 0 : this.#clock.monotonic() - this.#lastAt
  }

  /**
   * Runs what a user asked for; its own promise is returned, since another would cost each request some
   * turns of the queue. @param waited whether its time tells how fast the store is
   */
  during<T>(act: () => Promise<T>, waited: (answer: T) => boolean): Promise<T> {
    const startedAt = this.#clock.monotonic()
    this.#lastAt = startedAt
    this.#inFlight += 1
    const answering = act()
    answering.then(
      (answer) => {
        this.#inFlight -= 1
        const counts = startedAt >= this.#countedFrom && waited(answer)
        if (counts) this.#add(this.#clock.monotonic() - startedAt)
      },
      () => {
        this.#inFlight -= 1
      },
    )
    return answering
  }

  /** What came since the last call; forgets it. */
  take(): LoadWindow {
    const waitsMs = this.#waitsMs
    this.#waitsMs = []
    this.#next = 0
    return { waitsMs }
  }

  /** Forgets what came, and what is still to come of reads that have begun. */
  startAnew(): void {
    this.take()
    this.#countedFrom = this.#clock.monotonic()
  }

  /** How many waits `take` would give. */
  get waitCount(): number {
    return this.#waitsMs.length
  }

  #add(waitMs: number): void {
    if (this.#waitsMs.length < WAITS_MAX) this.#waitsMs.push(waitMs)
    else this.#waitsMs[this.#next++ % WAITS_MAX] = waitMs
  }
}
