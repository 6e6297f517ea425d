/** Bytes of all bodies coming in that one turn of the event loop takes: 6 ms of it. */
export const RECEIVE_TURN_BYTES = 8 * 1024 ** 2

/** A chunk as sockets give it, bytes: what somebody let in takes at least before it is paused again. */
const CHUNK_BYTES = 64 * 1024

/**
 * Shares the event loop among bodies that come in. A turn of the loop reads from every socket that has
 * bytes, as many as there are; what goes beyond a bound waits for later turns, so that other requests
 * are seen in between.
 */
export class ReceiveTurns {
  readonly #turnBytes: number
  #leftBytes: number
  #waiting: (() => void)[] = []
  #armed = false

  constructor(turnBytes: number = RECEIVE_TURN_BYTES) {
    this.#turnBytes = turnBytes
    this.#leftBytes = turnBytes
  }

  /** Notes bytes that were taken. A returned promise means: take no more before it has resolved. */
  spend(bytes: number): undefined | Promise<void> {
    this.#leftBytes -= bytes
    this.#arm()
    if (this.#leftBytes > 0) return undefined
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  #arm(): void {
    if (this.#armed) return
    this.#armed = true
    setImmediate(() => this.#nextTurn())
  }

  #nextTurn(): void {
    this.#armed = false
    this.#leftBytes = this.#turnBytes
    const places = Math.max(1, Math.floor(this.#turnBytes / CHUNK_BYTES))
    const next = this.#waiting.slice(0, places)
    this.#waiting = this.#waiting.slice(places)
    for (const enter of next) enter()
    if (this.#waiting.length > 0) this.#arm()
  }
}

/** The one of this process: it has one event loop. */
export const receiveTurns = new ReceiveTurns()
