import type { Clock } from '@forebay/base/clock'
import type { JobLimits } from '@forebay/jobs/job'
import { OwnRates, type Rates } from '@forebay/jobs/rates'
import { RateAccount } from './rate-account.ts'

/** What the pages of one job use together on this node. */
interface Spending {
  /** Items of it that are worked on. */
  running: number
  /** Pages of it that are worked on here. */
  pages: number
  readonly items: RateAccount | undefined
  readonly bytes: RateAccount | undefined
  readonly waiters: (() => void)[]
}

/**
 * Holds each job to the bounds that its user set: items at once over all of its pages on this node, and
 * items and bytes a second over all nodes that work on it.
 */
export class JobLimiter {
  readonly #clock: Clock
  readonly #rates: Rates
  readonly #spendings = new Map<string, Spending>()

  /** @param rates shared with other nodes; absent: this one works on its jobs alone */
  constructor(clock: Clock, rates: Rates = new OwnRates(clock)) {
    this.#clock = clock
    this.#rates = rates
  }

  /** Takes part in the bounds of a job until `leave`. */
  join(jobId: string, limits: JobLimits): JobGate {
    this.#forgetEven()
    const spending = this.#spendings.get(jobId) ?? this.#begin(jobId, limits)
    this.#spendings.set(jobId, spending)
    spending.pages += 1
    return new JobGate(spending, limits.concurrency)
  }

  #begin(jobId: string, { itemsPerSecond, bytesPerSecond }: JobLimits): Spending {
    const accountOf = (unit: 'items' | 'bytes', perSecond: number | undefined) =>
      perSecond === undefined
        ? undefined
        : new RateAccount({ jobId, unit, perSecond }, { rates: this.#rates, clock: this.#clock })
    return {
      running: 0,
      pages: 0,
      items: accountOf('items', itemsPerSecond),
      bytes: accountOf('bytes', bytesPerSecond),
      waiters: [],
    }
  }

  #forgetEven(): void {
    for (const [jobId, { pages, items, bytes }] of this.#spendings) {
      const isEven = items?.isEven !== false && bytes?.isEven !== false
      if (pages === 0 && isEven) this.#spendings.delete(jobId)
    }
  }
}

/** One page's way through the bounds of its job. */
export class JobGate {
  readonly #spending: Spending
  readonly #concurrency: number

  constructor(spending: Spending, concurrency: number = Number.POSITIVE_INFINITY) {
    this.#spending = spending
    this.#concurrency = concurrency
  }

  /**
   * Waits until an item may begin.
   *
   * @param expectedBytes what it will move, as far as that is known; 0 where `flow` tells
   * @returns to be called at its end, once, with the bytes that it moved past `flow`
   * @throws the signal's reason
   */
  async enter(expectedBytes: number, signal: AbortSignal): Promise<(movedBytes: number) => void> {
    const { items, bytes } = this.#spending
    await this.#takePlace(signal)
    try {
      await items?.use(1, signal)
      await bytes?.use(expectedBytes, signal)
    } catch (error) {
      this.#giveBack()
      throw error
    }
    return (movedBytes) => {
      void bytes?.correct(movedBytes - expectedBytes)
      this.#giveBack()
    }
  }

  /**
   * Bytes of an item came.
   *
   * @returns undefined, or what resolves when the next may come
   * @throws the signal's reason
   */
  flow(bytes: number, signal: AbortSignal): Promise<void> | undefined {
    return this.#spending.bytes?.use(bytes, signal)
  }

  leave(): void {
    this.#spending.pages -= 1
  }

  async #takePlace(signal: AbortSignal): Promise<void> {
    const { waiters } = this.#spending
    signal.throwIfAborted()
    while (this.#spending.running >= this.#concurrency) {
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

  #giveBack(): void {
    this.#spending.running -= 1
    this.#spending.waiters.shift()?.()
  }
}
