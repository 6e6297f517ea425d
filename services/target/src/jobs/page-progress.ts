import type { FailureCode } from '@forebay/base/failure'
import type { ItemFailure, JobPage, PageOutcome } from '@forebay/jobs/job'
import type { ItemResult } from './kind-work.ts'

/** What became of the items of one page, over all its deliveries. */
export class PageProgress {
  readonly #page: JobPage
  readonly #isSettled: boolean[]
  readonly #failures = new Map<number, ItemFailure>()
  #done: number
  #skipped: number
  #bytes: number
  /** Bytes so far of items that are worked on, by position. */
  readonly #underWay = new Map<number, number>()

  /** @param saved what earlier deliveries settled */
  constructor(page: JobPage, saved: PageOutcome | undefined) {
    this.#page = page
    this.#isSettled = page.items.map(() => false)
    for (const at of saved?.settled ?? []) this.#isSettled[at] = true
    this.#done = saved?.done ?? 0
    this.#skipped = saved?.skipped ?? 0
    this.#bytes = (saved?.bytes ?? 0) - (saved?.underWayBytes ?? 0)
    const positions = new Map(page.items.map(({ key }, at) => [key, at]))
    for (const failure of saved?.failures ?? []) {
      const at = positions.get(failure.key)
      if (at !== undefined) this.#failures.set(at, failure)
    }
  }

  isSettled(at: number): boolean {
    return this.#isSettled[at] === true
  }

  /** An item is tried, from its beginning. */
  begin(at: number): void {
    this.#underWay.delete(at)
  }

  /** Bytes of an item that is worked on came. */
  moved(at: number, bytes: number): void {
    if (!this.isSettled(at)) this.#underWay.set(at, (this.#underWay.get(at) ?? 0) + bytes)
  }

  settle(at: number, result: ItemResult): void {
    this.#underWay.delete(at)
    if (this.isSettled(at)) return
    this.#isSettled[at] = true
    if (result.kind === 'skipped') {
      this.#skipped += 1
      return
    }
    this.#done += 1
    this.#bytes += result.bytes
  }

  fail(at: number, why: { readonly code: FailureCode; readonly message: string }): void {
    this.#underWay.delete(at)
    const item = this.#page.items[at]
    if (item === undefined || this.isSettled(at)) return
    this.#isSettled[at] = true
    this.#failures.set(at, { key: item.key, ...why, item })
  }

  outcome(): PageOutcome {
    const settled: number[] = []
    const failures: ItemFailure[] = []
    for (const [at, isSettled] of this.#isSettled.entries()) {
      if (!isSettled) continue
      settled.push(at)
      const failure = this.#failures.get(at)
      if (failure !== undefined) failures.push(failure)
    }
    const underWayBytes = this.#underWay.values().reduce((sum, bytes) => sum + bytes, 0)
    return {
      settled,
      done: this.#done,
      skipped: this.#skipped,
      bytes: this.#bytes + underWayBytes,
      underWayBytes: underWayBytes === 0 ? undefined : underWayBytes,
      failures,
    }
  }
}
