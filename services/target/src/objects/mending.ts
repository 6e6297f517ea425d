/**
 * Keys of which something corrupt is being given up just now. Their readers wait for that: until it is
 * journalled the index still has the entry, and who reads it would get the corrupt bytes.
 */
export class Mending {
  readonly #keys = new Map<string, Promise<void>>()

  /** False nearly always: then no key has to be looked up. */
  get isAny(): boolean {
    return this.#keys.size > 0
  }

  /** What to wait for before the key's entry is used. */
  of(keyId: string): Promise<void> | undefined {
    return this.#keys.get(keyId)
  }

  /** Runs `work`; who waits hears when it is over, not how it ended. */
  async during<T>(keyId: string, work: () => Promise<T>): Promise<T> {
    const over = Promise.withResolvers<void>()
    this.#keys.set(keyId, over.promise)
    try {
      return await work()
    } finally {
      if (this.#keys.get(keyId) === over.promise) this.#keys.delete(keyId)
      over.resolve()
    }
  }
}
