import type { Clock } from '@forebay/base/clock'

/** What was not used of a rate is not saved up for longer than this, ms. */
export const BURST_MS = 100

/** How far ahead something is promised, ms: so all who ask have their turns, and none waits for long for nothing. */
export const PROMISE_MS = 1000

/** Accounts that are kept without a look for those that are paid off. */
const ACCOUNTS_UNSWEPT = 1000

/** One of the two rates of a job. */
export interface Rate {
  readonly jobId: string
  readonly unit: 'items' | 'bytes'
  readonly perSecond: number
}

/** Taken: it may be used after `waitMs`. Not taken: it is worth asking again after them. */
export interface Taking {
  readonly isTaken: boolean
  readonly waitMs: number
}

/**
 * What was used of the rates of jobs, by all who work on them together.
 *
 * Somebody may use more than he takes, where that shows only afterwards: it is paid off before anybody
 * takes anything again.
 */
export interface Rates {
  /**
   * Takes of a rate, where what was taken before is paid off within a second.
   *
   * @throws Failure `job-engine-unavailable`
   */
  take(rate: Rate, amount: number): Promise<Taking>
  /**
   * Counts what was used beyond what was taken, or, negative, what was not used.
   *
   * @throws Failure `job-engine-unavailable`
   */
  correct(rate: Rate, amount: number): Promise<void>
}

/** The rates of jobs that this process alone works on. */
export class OwnRates implements Rates {
  readonly #clock: Clock
  /** Monotonic clock at which what was taken is paid off, ms; by job and unit. */
  readonly #paidAt = new Map<string, number>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  async take(rate: Rate, amount: number): Promise<Taking> {
    const now = this.#clock.monotonic()
    const from = this.#from(rate, now)
    const waitMs = Math.max(0, from - now)
    if (waitMs > PROMISE_MS) return { isTaken: false, waitMs: waitMs - PROMISE_MS }
    this.#set(rate, from + (amount * 1000) / rate.perSecond)
    return { isTaken: true, waitMs }
  }

  async correct(rate: Rate, amount: number): Promise<void> {
    this.#set(rate, this.#from(rate, this.#clock.monotonic()) + (amount * 1000) / rate.perSecond)
  }

  #from({ jobId, unit }: Rate, now: number): number {
    return Math.max(this.#paidAt.get(`${unit}/${jobId}`) ?? now - BURST_MS, now - BURST_MS)
  }

  #set({ jobId, unit }: Rate, paidAt: number): void {
    this.#paidAt.set(`${unit}/${jobId}`, paidAt)
    if (this.#paidAt.size <= ACCOUNTS_UNSWEPT) return
    const now = this.#clock.monotonic()
    for (const [name, at] of this.#paidAt) if (at <= now - BURST_MS) this.#paidAt.delete(name)
  }
}
