import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { RedisLink } from './link.ts'
import { replicasOf } from './server-check.ts'

/** An answer waits so long for a replica to have what it tells, milliseconds. */
const WAIT_MS = 500

/** Replicas that were late are not waited for again for so long, milliseconds. */
const LEAVE_MS = 10_000

/**
 * What users are told was done is on a replica as well, where there is one: a failover keeps it. While no
 * replica takes anything, it is told all the same, and that is said.
 */
export class Replicas {
  readonly #link: RedisLink
  readonly #clock: Clock
  readonly #onTrouble: (error: unknown) => void
  #isThere = false
  #leftUntil = Number.NEGATIVE_INFINITY
  #waiting: Promise<void> = Promise.resolve()
  #next: Promise<void> | undefined

  constructor(options: {
    readonly link: RedisLink
    readonly clock: Clock
    readonly onTrouble: (error: unknown) => void
  }) {
    this.#link = options.link
    this.#clock = options.clock
    this.#onTrouble = options.onTrouble
  }

  /** Learns whether there are any. @param infos what INFO said on each server that can be written to */
  look(infos: readonly string[]): void {
    this.#isThere = infos.some((info) => replicasOf(info) > 0)
  }

  /** Never throws: what was done is done. */
  async confirm(): Promise<void> {
    if (!this.#isThere || this.#clock.monotonic() < this.#leftUntil) return
    // A wait that is under way began before the caller's change; the next one is for all who come.
    if (this.#next === undefined) {
      this.#next = this.#waiting.then(() => this.#wait())
      this.#waiting = this.#next
    }
    await this.#next
  }

  async #wait(): Promise<void> {
    this.#next = undefined
    if (this.#clock.monotonic() < this.#leftUntil) return
    try {
      if ((await this.#link.replicated(WAIT_MS)) > 0) return
      this.#leftUntil = this.#clock.monotonic() + LEAVE_MS
      this.#onTrouble(
        new Failure(
          'job-engine-unavailable',
          `no replica of Redis at ${this.#link.where} took a change of jobs in ${WAIT_MS} ms`,
          { hint: 'A failover now would lose what users were told.' },
        ),
      )
    } catch (error) {
      this.#onTrouble(error)
    }
  }
}
