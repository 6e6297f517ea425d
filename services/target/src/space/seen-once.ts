import { printOf } from './bucket-policies.ts'
import { Ghosts } from './ghosts.ts'

/** Objects that are remembered of a bucket however few it holds: 2 bytes each. */
const REMEMBERED_MIN = 65_536

/**
 * Objects that were asked for once and not kept: of each bucket the latest 65,536, or as many as it
 * has objects, whichever is more. Of these one in ten thousand is taken for seen by mistake. A
 * restart forgets them.
 */
export class SeenOnce {
  readonly #buckets = new Map<number, Ghosts>()

  /** Bytes of its typed arrays. */
  get memoryBytes(): number {
    return [...this.#buckets.values()].reduce((sum, { memoryBytes }) => sum + memoryBytes, 0)
  }

  /**
   * True when the object was asked for before; else it is remembered.
   *
   * @param objects that the bucket holds
   */
  isSecond(name: { readonly bucketId: number; readonly key: string }, objects: number): boolean {
    const ghosts = this.#buckets.get(name.bucketId) ?? new Ghosts()
    this.#buckets.set(name.bucketId, ghosts)
    // Twice: between half as many and all of that number are remembered.
    ghosts.fit(2 * Math.max(REMEMBERED_MIN, objects))
    const print = printOf(name.key)
    if (ghosts.take(print)) return true
    ghosts.add(print)
    return false
  }

  dropBucket(bucketId: number): void {
    this.#buckets.delete(bucketId)
  }
}
