import { Failure } from '@forebay/base/failure'

/** Bodies up to this have no turns, bytes: a thousand of them at once are 64 MiB. */
export const SMALL_ORDER_BYTES = 64 * 1024

/** Large ones at once. One of 8 MiB is 60 MiB while it is read, taken apart, checked and kept. */
export const LARGE_ORDERS_AT_ONCE = 4

/** Large ones that wait for their turn, unread; more are refused. */
export const LARGE_ORDERS_WAITING_MAX = 64

const TRY_AGAIN_SECONDS = 10

/** Turns of orders whose bodies are large: memory for all that a few users can send at once is not there. */
export class OrderTurns {
  readonly #waiting = new Set<() => void>()
  #free = LARGE_ORDERS_AT_ONCE

  get takenCount(): number {
    return LARGE_ORDERS_AT_ONCE - this.#free
  }

  get waitingCount(): number {
    return this.#waiting.size
  }

  /**
   * Resolves when it is this one's turn, in their order.
   *
   * @returns ends the turn; once
   * @throws Failure `slow-down`, or the signal's reason
   */
  async take(signal: AbortSignal): Promise<() => void> {
    signal.throwIfAborted()
    if (this.#free > 0) {
      this.#free -= 1
      return () => this.#giveBack()
    }
    if (this.#waiting.size >= LARGE_ORDERS_WAITING_MAX) {
      throw new Failure('slow-down', 'as many large orders wait already as may', {
        hint: 'Name a template or a prefix in place of keys, or send it again later.',
        retryAfterSeconds: TRY_AGAIN_SECONDS,
      })
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const leave = (): void => {
      this.#waiting.delete(resolve)
      reject(signal.reason)
    }
    this.#waiting.add(resolve)
    signal.addEventListener('abort', leave, { once: true })
    await promise
    signal.removeEventListener('abort', leave)
    return () => this.#giveBack()
  }

  #giveBack(): void {
    const [next] = this.#waiting
    if (next === undefined) {
      this.#free += 1
      return
    }
    this.#waiting.delete(next)
    next()
  }
}
