import { setTimeout } from 'node:timers/promises'
import type { Clock } from '@forebay/base/clock'
import { PlayedClock as Played } from '@forebay/base/testing/played-clock'

/** Real milliseconds in which what was woken can write to a disk. */
const REAL_PAUSE_MS = 2

const START_MS = Date.UTC(2026, 0, 1)

/** A played clock that gives what follows a moment of real time. */
export class PlayedClock extends Played {
  constructor() {
    super({ now: START_MS, monotonic: START_MS })
  }

  /** Moves on, and gives what follows a moment. */
  async pass(ms: number): Promise<void> {
    this.jump(ms)
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

/** A clock whose wall time is moved by tests; everything else is that of another clock. */
export class TurnedClock implements Clock {
  readonly #clock: Clock
  #turnedMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  now(): number {
    return this.#clock.now() + this.#turnedMs
  }

  monotonic(): number {
    return this.#clock.monotonic()
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return this.#clock.sleep(ms, signal)
  }

  turn(ms: number): void {
    this.#turnedMs += ms
  }
}
