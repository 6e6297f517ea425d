import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'

/** What a server must bring in the time that it is allowed to stall, bytes. */
export const PROGRESS_BYTES_MIN = 64 * 1024

/** A stall is seen at most so much later, ms: while the server waits for us, no timer goes faster. */
const LATE_MS = 100

/** One for every watch that is over: without a reason each would make an exception of its own. */
const OVER = new Error('the transfer is over')

/**
 * Aborts its signal when a server is too slow: when of the time that it was waited for, `stallMs` passed
 * without `PROGRESS_BYTES_MIN` coming, so a byte a second is no progress; or when all took `totalMs`. Time
 * in which the server waits for us does not count as its own.
 */
export class TransferWatch {
  readonly #clock: Clock
  readonly #stallMs: number
  readonly #what: string
  readonly #expired = new AbortController()
  readonly #over = new AbortController()
  /** Of the time to bring the next bytes, as of `#waitsSince`. */
  #leftMs: number
  #waitsSince: number | undefined
  #bytes = 0

  /** @param limits.totalMs absent: no bound of all */
  constructor(
    clock: Clock,
    what: string,
    limits: { readonly stallMs: number; readonly totalMs?: number | undefined },
  ) {
    this.#clock = clock
    this.#what = what
    this.#stallMs = limits.stallMs
    this.#leftMs = limits.stallMs
    void this.#watchStalls()
    if (limits.totalMs !== undefined) void this.#watchTotal(limits.totalMs)
  }

  get signal(): AbortSignal {
    return this.#expired.signal
  }

  /** From now on the server is waited for. */
  wait(): void {
    this.#waitsSince ??= this.#clock.monotonic()
  }

  /** The server waits for us. */
  pause(): void {
    this.#leftMs = this.#left()
    this.#waitsSince = undefined
  }

  received(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < PROGRESS_BYTES_MIN) return
    this.#bytes = 0
    this.#leftMs = this.#stallMs
    if (this.#waitsSince !== undefined) this.#waitsSince = this.#clock.monotonic()
  }

  /** Ends the watch; nothing is aborted after it. */
  stop(): void {
    this.#over.abort(OVER)
  }

  #left(): number {
    if (this.#waitsSince === undefined) return this.#leftMs
    return this.#leftMs - (this.#clock.monotonic() - this.#waitsSince)
  }

  /** One timer for many chunks: a later deadline is seen when it fires. */
  async #watchStalls(): Promise<void> {
    while (await this.#sleep(Math.max(LATE_MS, this.#left()))) {
      if (this.#waitsSince === undefined || this.#left() > 0) continue
      const message = `${this.#what}: less than ${PROGRESS_BYTES_MIN} bytes came in ${this.#stallMs} ms`
      this.#expired.abort(new Failure('backend-timeout', message))
      return
    }
  }

  async #watchTotal(totalMs: number): Promise<void> {
    if (!(await this.#sleep(totalMs))) return
    const message = `${this.#what} was not finished in ${totalMs} ms`
    this.#expired.abort(new Failure('backend-timeout', message))
  }

  /** @returns false when the watch is over */
  async #sleep(ms: number): Promise<boolean> {
    try {
      await this.#clock.sleep(ms, this.#over.signal)
      return true
    } catch {
      return false
    }
  }
}
