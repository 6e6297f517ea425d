import { BusyMap } from '@forebay/base/busy-map'
import type { ObjectRecord } from './contract.ts'

/** Versions that are losing their file to another one: who misses such a file waits for the other. */
export class Replacing {
  /** Who waits, by the counter of the version's stamp. */
  readonly #waiters = new BusyMap<number, (() => void)[]>()

  /** The caller holds the key's lock. @returns to be called when the index has the other version, or never will */
  begin({ stamp }: ObjectRecord): () => void {
    const waiters: (() => void)[] = []
    this.#waiters.set(stamp.counter, waiters)
    return () => {
      this.#waiters.delete(stamp.counter)
      for (const wake of waiters) wake()
    }
  }

  /** Resolves when it is over; undefined where the version keeps its file. */
  endOf({ stamp }: ObjectRecord): Promise<void> | undefined {
    const waiters = this.#waiters.get(stamp.counter)
    return waiters && new Promise((resolve) => waiters.push(resolve))
  }

  has({ stamp }: ObjectRecord): boolean {
    return this.#waiters.has(stamp.counter)
  }
}
