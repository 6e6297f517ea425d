/** Steps per power of two; a value is told wrong by less than one part in as many. */
const STEP_BITS = 7
const STEPS = 1 << STEP_BITS

/** Largest value that is told apart, us: 71 minutes. */
export const HISTOGRAM_MAX_US = 2 ** 32 - 1

const SLOTS = (32 - STEP_BITS + 1) * STEPS

/** By how much a quantile may lie above the value that was recorded. */
export const HISTOGRAM_ERROR = 1 / STEPS

/**
 * Counts of times in whole microseconds, at a fixed 26 KiB however many there are. Values below 128
 * are exact; above, a slot is 1/128 of its power of two wide, so a quantile is at most 0.8 % too
 * large and never too small.
 */
export class Histogram {
  readonly #counts = new Float64Array(SLOTS)
  #count = 0
  #sum = 0
  #max = 0
  #min = Number.POSITIVE_INFINITY

  get count(): number {
    return this.#count
  }

  /** 0 when nothing was recorded. */
  get maxUs(): number {
    return this.#max
  }

  get minUs(): number {
    return this.#count === 0 ? 0 : this.#min
  }

  get meanUs(): number {
    return this.#count === 0 ? 0 : this.#sum / this.#count
  }

  /** @param us 0 or more; rounded, and cut to `HISTOGRAM_MAX_US` */
  record(us: number): void {
    const value = Math.min(Math.max(0, Math.round(us)), HISTOGRAM_MAX_US)
    const slot = slotOf(value)
    this.#counts[slot] = (this.#counts[slot] ?? 0) + 1
    this.#count += 1
    this.#sum += value
    if (value > this.#max) this.#max = value
    if (value < this.#min) this.#min = value
  }

  /** Adds what another one counted. */
  add(other: Histogram): void {
    for (let slot = 0; slot < SLOTS; slot += 1) {
      const count = other.#counts[slot] ?? 0
      if (count > 0) this.#counts[slot] = (this.#counts[slot] ?? 0) + count
    }
    this.#count += other.#count
    this.#sum += other.#sum
    this.#max = Math.max(this.#max, other.#max)
    this.#min = Math.min(this.#min, other.#min)
  }

  reset(): void {
    this.#counts.fill(0)
    this.#count = 0
    this.#sum = 0
    this.#max = 0
    this.#min = Number.POSITIVE_INFINITY
  }

  /**
   * The least value, us, that at least `share` of all are not above; 0 when nothing was recorded.
   *
   * @param share 0..1
   */
  quantileUs(share: number): number {
    const rank = Math.max(1, Math.ceil(share * this.#count))
    let seen = 0
    for (let slot = 0; slot < SLOTS; slot += 1) {
      seen += this.#counts[slot] ?? 0
      if (seen >= rank) return Math.min(topOf(slot), this.#max)
    }
    return 0
  }
}

function slotOf(us: number): number {
  if (us < STEPS) return us
  const shift = 31 - Math.clz32(us) - STEP_BITS
  return (shift + 1) * STEPS + (us >>> shift) - STEPS
}

/** The largest value of a slot. */
function topOf(slot: number): number {
  if (slot < STEPS) return slot
  const shift = Math.floor(slot / STEPS) - 1
  return ((slot % STEPS) + STEPS + 1) * 2 ** shift - 1
}
