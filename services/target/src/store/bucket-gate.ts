import { BusyMap } from '@forebay/base/busy-map'
import { Failure } from '@forebay/base/failure'

interface Seal {
  /** Who sealed the bucket and has not decided yet. */
  owners: number
  /** Commits that wait for the decision. */
  readonly decided: PromiseWithResolvers<void>
}

/**
 * Keeps commits apart from the end of their bucket: while somebody finds out whether it is empty and
 * takes it away, nothing new becomes part of it. A commit that comes meanwhile waits for the outcome.
 */
export class BucketGate {
  readonly #running = new BusyMap<number, number>()
  readonly #idle = new Map<number, PromiseWithResolvers<void>>()
  readonly #seals = new Map<number, Seal>()
  /** Ids are never given out again. */
  readonly #gone = new Set<number>()

  /**
   * Runs a commit of the bucket.
   *
   * @throws Failure `bucket-not-found` when the bucket was destroyed
   */
  async pass<T>(bucketId: number, commit: () => Promise<T>): Promise<T> {
    for (;;) {
      if (this.#gone.has(bucketId)) {
        throw new Failure('bucket-not-found', 'the bucket was destroyed')
      }
      const seal = this.#seals.get(bucketId)
      if (seal === undefined) break
      await seal.decided.promise
    }
    this.#running.set(bucketId, (this.#running.get(bucketId) ?? 0) + 1)
    try {
      return await commit()
    } finally {
      this.#leave(bucketId)
    }
  }

  /** Lets no commit begin until `unseal` or `close`, and waits for those under way. */
  async seal(bucketId: number): Promise<void> {
    const seal = this.#seals.get(bucketId)
    if (seal !== undefined) seal.owners += 1
    else this.#seals.set(bucketId, { owners: 1, decided: Promise.withResolvers() })
    await this.#whenIdle(bucketId)
  }

  /** The bucket stays; commits go on with the last of those who sealed it. */
  unseal(bucketId: number): void {
    const seal = this.#seals.get(bucketId)
    if (seal === undefined) return
    seal.owners -= 1
    if (seal.owners > 0) return
    this.#seals.delete(bucketId)
    seal.decided.resolve()
  }

  /** The bucket is gone for good: refuses its commits, and waits for those under way. */
  async close(bucketId: number): Promise<void> {
    this.#gone.add(bucketId)
    this.#seals.get(bucketId)?.decided.resolve()
    this.#seals.delete(bucketId)
    await this.#whenIdle(bucketId)
  }

  #leave(bucketId: number): void {
    const running = (this.#running.get(bucketId) ?? 1) - 1
    if (running > 0) {
      this.#running.set(bucketId, running)
      return
    }
    this.#running.delete(bucketId)
    this.#idle.get(bucketId)?.resolve()
    this.#idle.delete(bucketId)
  }

  async #whenIdle(bucketId: number): Promise<void> {
    if (!this.#running.has(bucketId)) return
    const known = this.#idle.get(bucketId)
    const idle = known ?? Promise.withResolvers<void>()
    if (known === undefined) this.#idle.set(bucketId, idle)
    await idle.promise
  }
}
