import type { Clock } from '@forebay/base/clock'
import type { JobLimits } from '@forebay/jobs/job'

/** What was not used of a rate is not saved up for longer than this, ms. */
const BURST_MS = 100

/** Shorter waits are not worth a timer, ms: they add up. */
const WAIT_MS_MIN = 5

/** Longest sleep at once, ms: Node fires a timer of more than 2^31 at once. */
const SLEEP_MS_MAX = 3_600_000

interface Spending {
  /** Items of it that are worked on. */
  running: number
  /** Pages of it that are worked on here. */
  pages: number
  /** Monotonic clock at which what was spent is paid off, ms. */
  itemsPaidAt: number
  bytesPaidAt: number
  readonly waiters: (() => void)[]
}

/** Holds each job to the bounds that its user set, over all of its pages on this node. */
export class JobLimiter {
  readonly #clock: Clock
  readonly #spendings = new Map<string, Spending>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes part in the bounds of a job until `leave`. */
  join(jobId: string, limits: JobLimits): JobGate {
    this.#forgetPaid()
    const spending = this.#spendings.get(jobId) ?? {
      running: 0,
      pages: 0,
      itemsPaidAt: Number.NEGATIVE_INFINITY,
      bytesPaidAt: Number.NEGATIVE_INFINITY,
      waiters: [],
    }
    this.#spendings.set(jobId, spending)
    spending.pages += 1
    return new JobGate(this.#clock, spending, limits)
  }

  /** What is still to be paid off is remembered: the next page of the job waits for it. */
  #forgetPaid(): void {
    const now = this.#clock.monotonic()
    for (const [jobId, { pages, itemsPaidAt, bytesPaidAt }] of this.#spendings) {
      if (pages === 0 && itemsPaidAt <= now && bytesPaidAt <= now) this.#spendings.delete(jobId)
    }
  }
}

/** One page's way through the bounds of its job. */
export class JobGate {
  readonly #clock: Clock
  readonly #spending: Spending
  readonly #limits: JobLimits

  constructor(clock: Clock, spending: Spending, limits: JobLimits) {
    this.#clock = clock
    this.#spending = spending
    this.#limits = limits
  }

  /**
   * Waits until an item may begin.
   *
   * @param expectedBytes what it will move, as far as that is known
   * @returns to be called at its end, once, with the bytes that it moved
   * @throws the signal's reason
   */
  async enter(expectedBytes: number, signal: AbortSignal): Promise<(movedBytes: number) => void> {
    const spending = this.#spending
    await this.#takePlace(signal)
    try {
      await this.#pay(expectedBytes, signal)
    } catch (error) {
      this.#giveBack()
      throw error
    }
    return (movedBytes) => {
      const { bytesPerSecond } = this.#limits
      if (bytesPerSecond !== undefined) {
        spending.bytesPaidAt += ((movedBytes - expectedBytes) * 1000) / bytesPerSecond
      }
      this.#giveBack()
    }
  }

  leave(): void {
    this.#spending.pages -= 1
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    const { concurrency = Number.POSITIVE_INFINITY } = this.#limits
    const { waiters } = this.#spending
    signal.throwIfAborted()
    while (this.#spending.running >= concurrency) {
      await new Promise<void>((resolve, reject) => {
        const go = (): void => {
          signal.removeEventListener('abort', leave)
          resolve()
        }
        const leave = (): void => {
          waiters.splice(waiters.indexOf(go), 1)
          reject(signal.reason)
        }
        signal.addEventListener('abort', leave, { once: true })
        waiters.push(go)
      })
    }
    // In the same turn as the look: nobody comes in between.
    this.#spending.running += 1
  }

  async #pay(bytes: number, signal: AbortSignal): Promise<void> {
    const { itemsPerSecond, bytesPerSecond } = this.#limits
    const spending = this.#spending
    const now = this.#clock.monotonic()
    let untilMs = now
    if (itemsPerSecond !== undefined) {
      const from = Math.max(spending.itemsPaidAt, now - BURST_MS)
      spending.itemsPaidAt = from + 1000 / itemsPerSecond
      untilMs = Math.max(untilMs, from)
    }
    if (bytesPerSecond !== undefined) {
      const from = Math.max(spending.bytesPaidAt, now - BURST_MS)
      spending.bytesPaidAt = from + (bytes * 1000) / bytesPerSecond
      untilMs = Math.max(untilMs, from)
    }
    if (untilMs - now < WAIT_MS_MIN) return
    for (let leftMs = untilMs - now; leftMs > 0; leftMs = untilMs - this.#clock.monotonic()) {
      await this.#clock.sleep(Math.min(leftMs, SLEEP_MS_MAX), signal)
    }
  }

  #giveBack(): void {
    this.#spending.running -= 1
    this.#spending.waiters.shift()?.()
  }
}
