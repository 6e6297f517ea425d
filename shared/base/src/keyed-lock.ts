import { BusyMap } from './busy-map.ts'
import { Failure } from './failure.ts'

/** Waiters one key may have; more are refused as busy, so that a hot key cannot eat the heap. */
export const LOCK_WAITERS_MAX = 10_000

/**
 * One lock per key, granted in the order of asking. A key that nobody holds costs no memory.
 *
 * Not re-entrant: a holder that asks again for its own key waits for ever.
 */
export class KeyedLock {
  readonly #queues = new BusyMap<string, (() => void)[]>()

  /**
   * Waits for the key and returns the function that releases it (once; further calls do nothing).
   *
   * @throws Failure `object-busy` when `LOCK_WAITERS_MAX` wait already; the signal's reason when aborted.
   */
  async acquire(key: string, signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    return this.#take(key) ?? this.#wait(key, signal)
  }

  /** Takes the key where nobody holds it. */
  #take(key: string): (() => void) | undefined {
    if (this.#queues.has(key)) return undefined
    this.#queues.set(key, [])
    return this.#releaser(key)
  }

  async #wait(key: string, signal?: AbortSignal): Promise<() => void> {
    const queue = this.#queues.get(key) ?? []
    if (queue.length >= LOCK_WAITERS_MAX) {
      throw new Failure(
        'object-busy',
        `more than ${LOCK_WAITERS_MAX} operations wait for one key`,
        {
          retryAfterSeconds: 1,
        },
      )
    }
    await new Promise<void>((resolve, reject) => {
      const grant = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        const at = queue.indexOf(grant)
        if (at >= 0) queue.splice(at, 1)
        reject(signal?.reason)
      }
      queue.push(grant)
      signal?.addEventListener('abort', leave, { once: true })
    })
    return this.#releaser(key)
  }

  /** Runs `work` while holding the key. */
  async hold<T>(key: string, work: () => Promise<T>): Promise<T> {
    const release = this.#take(key) ?? (await this.#wait(key))
    try {
      return await work()
    } finally {
      release()
    }
  }

  /** True while somebody holds the key. */
  isHeld(key: string): boolean {
    return this.#queues.has(key)
  }

  #releaser(key: string): () => void {
    let released = false
    return () => {
      if (released) return
      released = true
      const next = this.#queues.get(key)?.shift()
      if (next === undefined) this.#queues.delete(key)
      else next()
    }
  }
}
