import { Failure } from '@forebay/base/failure'
import type { Backend } from './backend.ts'
import { intercept, watchResult } from './intercept.ts'

export interface ConcurrencyLimits {
  /** Requests under way at a time; a read counts until its body ended. */
  readonly requestsMax: number
  /** Requests that may wait for their turn; more are refused. */
  readonly waitersMax: number
}

/**
 * Bounds the requests under way. Turns are granted in the order of asking; a waiter whose signal is
 * aborted leaves the queue.
 *
 * Fails with `slow-down` when the queue is full. Whoever holds a body must consume or discard it, or
 * its turn is never given on.
 */
export function withConcurrencyLimit(backend: Backend, limits: ConcurrencyLimits): Backend {
  const turns = new Turns(limits, backend.name)
  return intercept(backend, {
    async run(step, run) {
      const waited = turns.acquire(step.signal)
      if (waited !== undefined) await waited
      const release = turns.releaser()
      try {
        return await run(step)
      } finally {
        release()
      }
    },
    async read(step, run) {
      const waited = turns.acquire(step.signal)
      if (waited !== undefined) await waited
      const release = turns.releaser()
      try {
        const result = await run(step)
        if (result.kind !== 'found') release()
        return watchResult(result, { onEnd: release })
      } catch (error) {
        release()
        throw error
      }
    },
  })
}

class Turns {
  readonly #limits: ConcurrencyLimits
  readonly #name: string
  readonly #waiters: (() => void)[] = []
  #taken = 0

  constructor(limits: ConcurrencyLimits, name: string) {
    this.#limits = limits
    this.#name = name
  }

  /** Takes a turn; returns nothing when one was free. Whoever has got one gives it back. */
  acquire(signal: AbortSignal): void | Promise<void> {
    signal.throwIfAborted()
    if (this.#taken >= this.#limits.requestsMax) return this.#wait(signal)
    this.#taken += 1
    return undefined
  }

  /** The function that gives a turn back, once. */
  releaser(): () => void {
    let released = false
    return () => {
      if (released) return
      released = true
      const next = this.#waiters.shift()
      // The turn goes straight to the next waiter, so the count stays.
      if (next === undefined) this.#taken -= 1
      else next()
    }
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiters.length >= this.#limits.waitersMax) {
      throw new Failure(
        'slow-down',
        `${this.#limits.waitersMax} requests wait for ${this.#name} already`,
        { retryAfterSeconds: 1 },
      )
    }
    return new Promise((resolve, reject) => {
      const grant = (): void => {
        signal.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiters.splice(this.#waiters.indexOf(grant), 1)
        reject(signal.reason)
      }
      this.#waiters.push(grant)
      signal.addEventListener('abort', leave, { once: true })
    })
  }
}
