import type { Clock } from '../clock.ts'

interface Sleeper {
  readonly atMs: number
  wake(): void
}

/** A clock that moves when a test says so, from one sleeper to the next. */
export class PlayedClock implements Clock {
  readonly #startMs: { readonly now: number; readonly monotonic: number }
  #ms = 0
  #turnedMs = 0
  readonly #sleepers = new Set<Sleeper>()

  constructor(startMs = { now: 1_790_000_000_000, monotonic: 0 }) {
    this.#startMs = startMs
  }

  now(): number {
    return this.#startMs.now + this.#ms + this.#turnedMs
  }

  monotonic(): number {
    return this.#startMs.monotonic + this.#ms
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) {
        reject(signal.reason)
        return
      }
      const leave = (): void => {
        this.#sleepers.delete(sleeper)
        reject(signal?.reason)
      }
      const sleeper = {
        atMs: this.#ms + ms,
        wake: () => {
          signal?.removeEventListener('abort', leave)
          resolve()
        },
      }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  /** Moves the wall clock alone, forward or back, as an administrator does: nobody wakes. */
  turn(ms: number): void {
    this.#turnedMs += ms
  }

  /** Moves on at once; everybody whose time has come wakes then. */
  jump(ms: number): void {
    this.#ms += ms
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.atMs > this.#ms) continue
      this.#sleepers.delete(sleeper)
      sleeper.wake()
    }
  }

  /** Lets time pass; who wakes acts before it goes on. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#ms + ms
    await settle()
    for (;;) {
      const next = [...this.#sleepers].reduce<Sleeper | undefined>(
        (first, sleeper) =>
          sleeper.atMs <= untilMs && sleeper.atMs < (first?.atMs ?? Number.POSITIVE_INFINITY)
            ? sleeper
            : first,
        undefined,
      )
      if (next === undefined) break
      this.#ms = next.atMs
      this.#sleepers.delete(next)
      next.wake()
      await settle()
    }
    this.#ms = untilMs
  }
}

/** Until everybody who can go on without time has done so. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
