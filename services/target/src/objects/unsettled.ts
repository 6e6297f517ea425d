import type { Clock } from '@forebay/base/clock'
import type { ObjectStore } from '../store/contract.ts'

/**
 * How long after its operation ended an undecided mutation may still be applied by a backend, ms.
 * Until then every use of the key asks the backend; afterwards one answer settles it. No store is
 * known to apply a request whose connection ended a minute ago.
 */
export const UNSETTLED_QUIET_MS = 60_000

/**
 * The unsettled marks (rule 3) with the time since when they rest. The marks themselves live in the
 * journal and the index; the times are of this process, so that a restart starts them anew.
 */
export class UnsettledKeys {
  readonly #store: ObjectStore
  readonly #clock: Clock
  /** Key id -> monotonic ms when its last mutation of unknown outcome ended. */
  readonly #restingSince = new Map<string, number>()
  readonly #startedAt: number
  readonly #running = new Map<string, number>()

  constructor(store: ObjectStore, clock: Clock) {
    this.#store = store
    this.#clock = clock
    this.#startedAt = clock.monotonic()
  }

  isUnsettled(bucketId: number, key: string): boolean {
    return this.#store.isUnsettled(bucketId, key)
  }

  /** Marks the key before the first byte that could commit; the caller holds the key's lock. */
  async mark(bucketId: number, key: string): Promise<void> {
    const keyId = `${bucketId}/${key}`
    this.#running.set(keyId, (this.#running.get(keyId) ?? 0) + 1)
    try {
      await this.#store.markUnsettled(bucketId, key)
    } catch (error) {
      this.rest(bucketId, key, true)
      throw error
    }
  }

  /**
   * The marked mutation ended. One whose outcome is unknown may be applied from now on for a while; one
   * that is decided adds nothing to an older doubt, which would never end for a key that is written often.
   */
  rest(bucketId: number, key: string, decided: boolean): void {
    const keyId = `${bucketId}/${key}`
    const running = (this.#running.get(keyId) ?? 1) - 1
    if (running > 0) this.#running.set(keyId, running)
    else this.#running.delete(keyId)
    if (!this.#store.isUnsettled(bucketId, key)) this.#restingSince.delete(keyId)
    else if (!decided) this.#restingSince.set(keyId, this.#clock.monotonic())
  }

  /** True when an answer of the backend, asked from now on, settles the key. */
  mayBeSettled(bucketId: number, key: string): boolean {
    const keyId = `${bucketId}/${key}`
    if (this.#running.has(keyId)) return false
    const since = this.#restingSince.get(keyId) ?? this.#startedAt
    return this.#clock.monotonic() - since >= UNSETTLED_QUIET_MS
  }

  async settle(bucketId: number, key: string): Promise<void> {
    await this.#store.settle(bucketId, key)
    this.settled(bucketId, key)
  }

  /** A transaction took the mark away: its time is not needed any more. */
  settled(bucketId: number, key: string): void {
    if (!this.#store.isUnsettled(bucketId, key)) this.#restingSince.delete(`${bucketId}/${key}`)
  }

  /** Keys whose times are kept. */
  get restingCount(): number {
    return this.#restingSince.size
  }
}
