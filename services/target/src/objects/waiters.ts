/** What a reader waits for. */
export interface WantedBytes {
  readonly offset: number
  readonly lengthBytes: number
  /** Bytes that are in memory only will do. */
  readonly held: boolean
  /** The reader reads the whole object. */
  readonly whole: boolean
}

/**
 * Those who wait for a byte at an offset. Waking is broad: whoever was woken looks again.
 */
export class Waiters {
  readonly #waiting = new Set<{
    readonly offset: number
    readonly wake: (error?: unknown) => void
  }>()

  /** Resolves at the next `wakeAll`; rejects with its error, or with the signal's reason. */
  wait(offset: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const waiter = {
        offset,
        wake: (error?: unknown) => {
          this.#waiting.delete(waiter)
          signal.removeEventListener('abort', onAbort)
          if (error === undefined) resolve()
          else reject(error)
        },
      }
      const onAbort = (): void => waiter.wake(signal.reason)
      signal.addEventListener('abort', onAbort, { once: true })
      this.#waiting.add(waiter)
    })
  }

  /** True while somebody waits for a byte of `[from, to)`. */
  anyIn(from: number, to: number): boolean {
    for (const { offset } of this.#waiting) if (offset >= from && offset < to) return true
    return false
  }

  /** Wakes those who wait for a byte of `[from, to)`. */
  wakeIn(from: number, to: number): void {
    for (const waiter of [...this.#waiting]) {
      if (waiter.offset >= from && waiter.offset < to) waiter.wake()
    }
  }

  wakeAll(error?: unknown): void {
    for (const waiter of [...this.#waiting]) waiter.wake(error)
  }
}
