import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Lease } from '../engine.ts'

/**
 * Share of the time that Redis was told of for which its holder goes on: the rest is for clocks that do
 * not run alike.
 */
const TRUSTED_SHARE = 0.8

/** When something was asked of Redis, on both clocks. */
export interface Asked {
  readonly monotonicMs: number
  readonly wallMs: number
}

export function askedNow(clock: Clock): Asked {
  return { monotonicMs: clock.monotonic(), wallMs: clock.now() }
}

/**
 * A lease that Redis knows of under `token`. It counts from before Redis was asked, so it is over here
 * before it is over there. A clock that stands while the machine sleeps is not trusted alone: the wall
 * clock may end it as well.
 */
export class HeldLease implements Lease {
  readonly jobId: string
  readonly token: string
  readonly #over = new AbortController()
  readonly #clock: Clock
  readonly #lastsMs: number
  #asked: Asked
  #timer: NodeJS.Timeout | undefined

  constructor(options: {
    readonly jobId: string
    readonly token: string
    readonly clock: Clock
    readonly leaseMs: number
    readonly asked: Asked
  }) {
    this.jobId = options.jobId
    this.token = options.token
    this.#clock = options.clock
    this.#lastsMs = options.leaseMs * TRUSTED_SHARE
    this.#asked = options.asked
    this.#wake()
  }

  get signal(): AbortSignal {
    return this.#over.signal
  }

  get isOver(): boolean {
    return this.#over.signal.aborted
  }

  check(): void {
    this.#over.signal.throwIfAborted()
    if (this.#leftMs() > 0) return
    this.end('it was not confirmed in time')
    this.#over.signal.throwIfAborted()
  }

  /** Redis confirmed it. */
  extend(asked: Asked): void {
    this.#asked = asked
  }

  end(why: string): void {
    clearTimeout(this.#timer)
    if (this.isOver) return
    this.#over.abort(new Failure('job-lease-lost', `job ${this.jobId}: ${why}`))
  }

  #leftMs(): number {
    const { monotonicMs, wallMs } = this.#asked
    const passedMs = Math.max(this.#clock.monotonic() - monotonicMs, this.#clock.now() - wallMs)
    return this.#lastsMs - passedMs
  }

  /** Tells those who only listen to the signal. */
  #wake(): void {
    const leftMs = this.#leftMs()
    if (leftMs <= 0) {
      this.end('it was not confirmed in time')
      return
    }
    this.#timer = setTimeout(() => this.#wake(), leftMs)
    this.#timer.unref()
  }
}
