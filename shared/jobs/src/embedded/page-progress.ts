import type { Clock } from '@forebay/base/clock'
import type { JobPage, PageOutcome } from '../job.ts'
import { checkedOutcome } from '../outcome.ts'

/** How often what a page has settled is written, milliseconds: so much is done again after a crash. */
export const SAVE_EVERY_MS = 1000

/** Keeps how far a delivery is, and writes it once a second while there is something new. */
export class PageProgress {
  readonly #page: JobPage
  readonly #clock: Clock
  readonly #signal: AbortSignal
  readonly #store: (outcome: PageOutcome) => Promise<void>
  #latest: PageOutcome | undefined
  #writing: Promise<void> | undefined
  #isClosed = false

  /** @param by `signal` is the lease's: when it ends, so does the writing */
  constructor(
    page: JobPage,
    by: {
      readonly clock: Clock
      readonly signal: AbortSignal
      store(outcome: PageOutcome): Promise<void>
    },
  ) {
    this.#page = page
    this.#clock = by.clock
    this.#signal = by.signal
    this.#store = by.store
  }

  /** @throws Failure `internal` for an outcome that cannot be of this page */
  save(outcome: PageOutcome): void {
    if (this.#isClosed) return
    this.#latest = checkedOutcome(this.#page, outcome)
    this.#writing ??= this.#write()
  }

  /** @returns the last outcome, which is for the caller to write */
  async close(): Promise<PageOutcome | undefined> {
    this.#isClosed = true
    await this.#writing
    return this.#latest
  }

  async #write(): Promise<void> {
    try {
      await this.#clock.sleep(SAVE_EVERY_MS, this.#signal)
      if (this.#latest !== undefined) await this.#store(this.#latest)
    } catch {
      // The lease is over, or the table cannot be written now: the next outcome says it again.
    } finally {
      this.#writing = undefined
    }
  }
}
