import type { Clock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import { BURST_MS, type Rate, type Rates, type Taking } from '@forebay/jobs/rates'

/** Longest sleep before it is asked again, ms: others may have given back what they took. */
const SLEEP_MS_MAX = 1000

/** Shorter waits are not worth a timer, ms: they add up. */
const WAIT_MS_MIN = 5

/** Pause before somebody who cannot be reached is asked again, ms. */
const UNREACHED_PAUSE_MS = 250

/**
 * This node's part in one rate of a job. Takes for a tenth of a second at once, so that a fast job asks
 * seldom; who comes first is served first.
 */
export class RateAccount {
  readonly #rate: Rate
  readonly #rates: Rates
  readonly #clock: Clock
  /** Taken and not used yet; negative: used and nobody could be told. */
  #reserve = 0
  /** Monotonic clock from which on the reserve may be used, ms. */
  #readyAt = Number.NEGATIVE_INFINITY
  #last: Promise<void> = Promise.resolve()
  #waiting = 0
  #sleep: AbortController | undefined

  constructor(rate: Rate, parts: { readonly rates: Rates; readonly clock: Clock }) {
    this.#rate = rate
    this.#rates = parts.rates
    this.#clock = parts.clock
  }

  /** Nothing is lost with it. */
  get isEven(): boolean {
    return this.#reserve >= 0 && this.#waiting === 0
  }

  /**
   * Uses `amount`, as soon as everything before is paid off.
   *
   * @returns undefined where that is so already
   * @throws the signal's reason; what the rates throw beyond `job-engine-unavailable`
   */
  use(amount: number, signal: AbortSignal): Promise<void> | undefined {
    if (this.#waiting === 0 && this.#reserve > 0 && this.#reserve >= amount && this.#isReady) {
      this.#reserve -= amount
      return undefined
    }
    this.#waiting += 1
    const turn = this.#last
      .then(() => this.#take(amount, signal))
      .finally(() => {
        this.#waiting -= 1
      })
    this.#last = turn.catch(() => undefined)
    return unlessAborted(turn, signal)
  }

  /** Counts what was used beyond what was taken, or, negative, what was not used. */
  async correct(amount: number): Promise<void> {
    if (amount === 0) return
    try {
      await this.#rates.correct(this.#rate, amount)
    } catch {
      // It is paid with what is taken next.
      this.#reserve -= amount
    }
    if (amount < 0) this.#sleep?.abort()
  }

  get #isReady(): boolean {
    return this.#readyAt - this.#clock.monotonic() < WAIT_MS_MIN
  }

  async #take(amount: number, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    while (this.#reserve <= 0 || this.#reserve < amount) {
      const lacking = amount - this.#reserve
      const wanted = Math.max(lacking, 1, Math.floor((this.#rate.perSecond * BURST_MS) / 1000))
      const { isTaken, waitMs } = await this.#ask(wanted, signal)
      if (isTaken) {
        this.#reserve += wanted
        this.#readyAt = this.#clock.monotonic() + waitMs
      } else await this.#wait(waitMs, signal)
    }
    while (!this.#isReady) {
      await this.#clock.sleep(this.#readyAt - this.#clock.monotonic(), signal)
    }
    this.#reserve -= amount
  }

  /** As often as it takes to be heard. */
  async #ask(amount: number, signal: AbortSignal): Promise<Taking> {
    for (;;) {
      try {
        return await this.#rates.take(this.#rate, amount)
      } catch (error) {
        signal.throwIfAborted()
        if (!isFailure(error, 'job-engine-unavailable')) throw error
      }
      await this.#clock.sleep(UNREACHED_PAUSE_MS, signal)
    }
  }

  /** Until then, or until somebody here gave back what he took. */
  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    const sleep = new AbortController()
    this.#sleep = sleep
    const either = AbortSignal.any([signal, sleep.signal])
    const pauseMs = Math.min(SLEEP_MS_MAX, Math.max(WAIT_MS_MIN, ms))
    await this.#clock.sleep(pauseMs, either).catch(() => undefined)
    this.#sleep = undefined
    signal.throwIfAborted()
  }
}

/** The same, but whoever stops waiting does not wait for those before him. */
function unlessAborted(turn: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const leave = (): void => reject(signal.reason)
  signal.addEventListener('abort', leave, { once: true })
  turn.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  if (signal.aborted) leave()
  return promise
}
