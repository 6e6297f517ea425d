/** Objects that are followed. */
const SLOTS = 256

/** Intervals of the present length before the estimate counts: a few of the first ones are too short. */
const SAMPLES_MIN = 32

/** What one sample takes off an estimate that is never reached again. */
const DECAY = 1 - 1 / 8192

/** An interval this many times longer than the estimate is the first of a new regime. */
const REGIME_FACTOR = 4

/**
 * How long it takes at most until objects are asked for again, from a fixed sample of all that are
 * asked for, cached or not. Each slot follows the object with the smallest hash, so that the sample
 * stays the same while the data set does.
 */
export class ReuseSampler {
  readonly #prints = new Uint32Array(SLOTS)
  readonly #times = new Uint32Array(SLOTS)
  #longest = 0
  #samples = 0

  get memoryBytes(): number {
    return this.#prints.byteLength + this.#times.byteLength
  }

  /** Ticks between two uses of an object, at most, as far as is known; undefined: not yet. */
  get longest(): number | undefined {
    return this.#samples < SAMPLES_MIN ? undefined : this.#longest
  }

  /** The object is asked for at `tick`, > 0. */
  note(print: number, tick: number): void {
    const hash = Math.imul(print ^ (print >>> 15), 0x2c1b3c6d) >>> 0
    const slot = hash % SLOTS
    const last = this.#times[slot] ?? 0
    if (last !== 0 && this.#prints[slot] === hash) this.#sample(tick - last)
    else if (last !== 0 && hash > (this.#prints[slot] ?? 0) && !this.#isGone(tick - last)) return
    this.#prints[slot] = hash
    this.#times[slot] = tick
  }

  save(): readonly number[] {
    return [this.#longest, this.#samples]
  }

  load([longest = 0, samples = 0]: readonly number[]): void {
    this.#longest = longest
    this.#samples = samples
  }

  #sample(interval: number): void {
    if (interval > this.#longest * REGIME_FACTOR) this.#samples = 0
    if (interval * REGIME_FACTOR > this.#longest) this.#samples += 1
    this.#longest = Math.max(interval, this.#longest * DECAY)
  }

  /** Who is not asked for any more makes way. */
  #isGone(idle: number): boolean {
    return this.longest !== undefined && idle > REGIME_FACTOR * this.longest
  }
}
