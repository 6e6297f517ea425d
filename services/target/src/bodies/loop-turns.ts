import { LOOP_TURN_BYTES, SLICE_BYTES } from './send-limits.ts'

/**
 * Shares the event loop among bodies that leave by sendfile(2): together they send a bounded number of
 * bytes in one turn of the loop, in the order of asking, so that new requests are seen in between.
 */
export class LoopTurns {
  readonly #turnBytes: number
  #leftBytes: number
  #waiting: (() => void)[] = []
  #armed = false

  constructor(turnBytes: number = LOOP_TURN_BYTES) {
    this.#turnBytes = turnBytes
    this.#leftBytes = turnBytes
  }

  /** True when a slice may be sent in this turn. */
  get isOpen(): boolean {
    return this.#leftBytes > 0 && this.#waiting.length === 0
  }

  /** Undefined when a slice may be sent in this turn; else a promise for a place in a later one. */
  admit(): undefined | Promise<void> {
    if (this.isOpen) return undefined
    this.#arm()
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /** Bytes that were sent in this turn. */
  spend(bytes: number): void {
    this.#leftBytes -= bytes
    this.#arm()
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#armed = false
    this.#leftBytes = this.#turnBytes
    const places = Math.max(1, Math.floor(this.#turnBytes / SLICE_BYTES))
    const next = this.#waiting.slice(0, places)
    this.#waiting = this.#waiting.slice(places)
    // Those let in now spend this turn's bytes; who comes meanwhile finds what they leave.
    this.#leftBytes -= next.length * SLICE_BYTES
    for (const enter of next) enter()
    if (this.#waiting.length > 0 || next.length > 0) this.#arm()
  }
}

/** The one of this process: it has one event loop. */
export const loopTurns = new LoopTurns()
