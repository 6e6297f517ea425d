import { setTimeout } from 'node:timers/promises'
import type { Clock } from '@forebay/base/clock'

/** Real milliseconds in which what was woken can write to a disk. */
const REAL_PAUSE_MS = 2

/** Time that the test moves; who sleeps wakes when his time has come. */
export class PlayedClock implements Clock {
  #nowMs = Date.UTC(2026, 0, 1)
  #sleepers: { readonly atMs: number; wake(): void }[] = []

  now(): number {
    return this.#nowMs
  }

  monotonic(): number {
    return this.#nowMs
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(signal.reason)
        return
      }
      const leave = (): void => {
        this.#sleepers = this.#sleepers.filter((sleeper) => sleeper !== own)
        reject(signal?.reason)
      }
      const own = {
        atMs: this.#nowMs + ms,
        wake: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      this.#sleepers.push(own)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  /** Moves on, and gives what follows a moment. */
  async pass(ms: number): Promise<void> {
    this.#nowMs += ms
    const due = this.#sleepers.filter(({ atMs }) => atMs <= this.#nowMs)
    this.#sleepers = this.#sleepers.filter((sleeper) => !due.includes(sleeper))
    for (const { wake } of due) wake()
    await setTimeout(REAL_PAUSE_MS)
  }
}

/** The clock of one process: when that was killed, nothing that it waits for comes. */
export class StoppableClock implements Clock {
  readonly #clock: Clock
  #isStopped = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now()
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#clock.sleep(ms, signal).then(
        () => this.#isStopped || resolve(),
        (error: unknown) => this.#isStopped || reject(error),
      )
    })
  }

  stop(): void {
    this.#isStopped = true
  }
}
