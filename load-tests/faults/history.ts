/** One mutation of a key as its client saw it. Times are of one monotonic clock, ms. */
export type Write<Value> = {
  /** What the key holds when it took effect; undefined for a delete. */
  readonly value: Value | undefined
  readonly startMs: number
  /** If it took effect at all, then by this time. */
  byMs: number
  /** It took effect: it was acknowledged, or somebody has read it. */
  certain: boolean
}

/** What a read may have returned. */
export type Verdict = { readonly kind: 'allowed' } | { readonly kind: 'stale' | 'unknown' }

/**
 * The history of one key, a register with concurrent clients (as Porcupine checks them, for one
 * register and by one pass): a read may return any write that no other certain write has surely
 * replaced before the read began.
 */
export class History<Value> {
  #writes: Write<Value>[]

  /** @param value what the key holds at first; undefined for nothing */
  constructor(value: Value | undefined) {
    this.#writes = [settled(value)]
  }

  /** Every version that the key may have or had since the last `settle`. */
  get writes(): readonly Write<Value>[] {
    return this.#writes
  }

  /** Call before the first byte of the request is sent. */
  begin(value: Value | undefined, startMs: number): Write<Value> {
    const write: Write<Value> = {
      value,
      startMs,
      byMs: Number.POSITIVE_INFINITY,
      certain: false,
    }
    this.#writes.push(write)
    return write
  }

  /** Call when the answer is whole. */
  acknowledge(write: Write<Value>, endMs: number): void {
    write.byMs = Math.min(write.byMs, endMs)
    write.certain = true
  }

  /** The writes under way have happened by now, or never will: the process that did them is dead. */
  bury(nowMs: number): void {
    for (const write of this.#writes) write.byMs = Math.min(write.byMs, nowMs)
  }

  /**
   * Judges a read when its answer is whole.
   *
   * @param matches true for the values that explain what was read
   */
  read(
    span: { readonly startMs: number; readonly endMs: number },
    matches: (value: Value | undefined) => boolean,
  ): Verdict {
    const explaining = this.#writes.filter(({ value }) => matches(value))
    if (explaining.length === 0) return { kind: 'unknown' }
    const allowed = explaining.filter((write) => !this.#isReplaced(write, span.startMs))
    const [only] = allowed
    if (only === undefined) return { kind: 'stale' }
    if (allowed.length === 1) this.acknowledge(only, span.endMs)
    return { kind: 'allowed' }
  }

  /** Forgets the writes that were surely replaced before `beforeMs`: no read under way began earlier. */
  forget(beforeMs: number): void {
    this.#writes = this.#writes.filter((write) => !this.#isReplaced(write, beforeMs))
  }

  /** Forgets everything but what the key is known to hold now. */
  settle(value: Value | undefined): void {
    this.#writes = [settled(value)]
  }

  #isReplaced(write: Write<Value>, beforeMs: number): boolean {
    return this.#writes.some(
      ({ certain, startMs, byMs }) => certain && write.byMs < startMs && byMs < beforeMs,
    )
  }
}

function settled<Value>(value: Value | undefined): Write<Value> {
  const byMs = Number.NEGATIVE_INFINITY
  return { value, startMs: byMs, byMs, certain: true }
}
