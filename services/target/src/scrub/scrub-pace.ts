import type { Clock } from '@forebay/base/clock'

/** What was not used of the rate is not saved up for longer than this, ms. */
const BURST_MS = 100

/** Shorter waits are not worth a timer, ms: they add up. */
const WAIT_MS_MIN = 5

/** How often a busy node is looked at again, ms. */
const BUSY_LOOK_MS = 100

/** A pass goes on after so long, however busy the node is, ms: it comes to an end on any node. */
const BUSY_WAIT_MS_MAX = 2000

export interface ScrubRate {
  /** 0 = no limit. */
  readonly bytesPerSecond: number
  /** 0 = no limit. */
  readonly filesPerSecond: number
}

export interface ScrubPaceOptions extends ScrubRate {
  readonly clock: Clock
  /** Why users should go first just now, in words; undefined when nothing is in the way. */
  readonly busyWith: () => string | undefined
}

/** Holds a pass to its rate, and back while users need the machine. */
export class ScrubPace {
  readonly #options: ScrubPaceOptions
  #rate: ScrubRate
  /** Monotonic clock at which what was spent is paid off, ms. */
  #paidAt = Number.NEGATIVE_INFINITY
  #waitsFor: string | undefined

  constructor(options: ScrubPaceOptions) {
    this.#options = options
    this.#rate = options
  }

  /** Why the pass waits just now. */
  get waitsFor(): string | undefined {
    return this.#waitsFor
  }

  setRate(rate: ScrubRate): void {
    this.#rate = rate
    this.#paidAt = Number.NEGATIVE_INFINITY
  }

  /** Waits until so much may be done. @throws the signal's reason */
  async spend(cost: { readonly bytes: number; readonly files: number }, signal: AbortSignal) {
    signal.throwIfAborted()
    await this.#letUsersGoFirst(signal)
    const { clock } = this.#options
    const { bytesPerSecond, filesPerSecond } = this.#rate
    const bytesMs = bytesPerSecond > 0 ? (cost.bytes * 1000) / bytesPerSecond : 0
    const filesMs = filesPerSecond > 0 ? (cost.files * 1000) / filesPerSecond : 0
    const now = clock.monotonic()
    const from = Math.max(this.#paidAt, now - BURST_MS)
    this.#paidAt = from + Math.max(bytesMs, filesMs)
    const waitMs = from - now
    if (waitMs >= WAIT_MS_MIN) await clock.sleep(waitMs, signal)
  }

  async #letUsersGoFirst(signal: AbortSignal): Promise<void> {
    const { clock, busyWith } = this.#options
    const since = clock.monotonic()
    try {
      while (clock.monotonic() - since < BUSY_WAIT_MS_MAX) {
        this.#waitsFor = busyWith()
        if (this.#waitsFor === undefined) return
        await clock.sleep(BUSY_LOOK_MS, signal)
      }
    } finally {
      this.#waitsFor = undefined
    }
  }
}
