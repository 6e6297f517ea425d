import type { PlayedClock } from '@forebay/base/testing/played-clock'

/** A store with so many places that serves in the order of asking, each for a while that varies. */
export class QueueingStore {
  readonly #clock: PlayedClock
  readonly #options: { readonly places: number; readonly serviceMs: number }
  readonly #queue: (() => void)[] = []
  #free: number
  #state = 1

  constructor(
    clock: PlayedClock,
    options: { readonly places: number; readonly serviceMs: number },
  ) {
    this.#clock = clock
    this.#options = options
    this.#free = options.places
  }

  /** A number 0..1 of a row that is always the same. */
  random(): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0
    return this.#state / 2 ** 32
  }

  /** A time with this mean, exponentially distributed, ms. */
  gap(meanMs: number): number {
    return -Math.log(1 - this.random()) * meanMs
  }

  async serve(): Promise<void> {
    if (this.#free > 0) this.#free -= 1
    else await new Promise<void>((resolve) => this.#queue.push(resolve))
    const { serviceMs } = this.#options
    await this.#clock.sleep(serviceMs + this.gap(0.3 * serviceMs))
    const next = this.#queue.shift()
    if (next === undefined) this.#free += 1
    else next()
  }
}
