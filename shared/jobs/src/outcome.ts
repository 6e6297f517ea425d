import { Failure, type FailureCode, isFailure } from '@forebay/base/failure'
import { type ListedStep, PAGE_ITEMS_MAX } from './engine.ts'
import type { ItemFailure, JobCounters, JobItem, JobPage, PageOutcome } from './job.ts'

/** Longest cursor of a list, characters. */
export const CURSOR_LENGTH_MAX = 65_536

/** Pauses before something is tried again, milliseconds: doubled each time, up to the last. */
export const RETRY_PAUSE_MS = 1000
export const RETRY_PAUSE_MAX_MS = 30_000

export const NOTHING_SETTLED: PageOutcome = {
  settled: [],
  done: 0,
  skipped: 0,
  bytes: 0,
  failures: [],
}

/** Milliseconds to wait after the n-th failure in a row (from 1), and at least what it asked for. */
export function retryPauseMs(failuresInRow: number, error: unknown): number {
  const asked = isFailure(error) ? (error.retryAfterSeconds ?? 0) * 1000 : 0
  const own = RETRY_PAUSE_MS * 2 ** Math.min(10, failuresInRow - 1)
  return Math.min(RETRY_PAUSE_MAX_MS, Math.max(own, asked))
}

/** What users are told of something thrown: never the text of an error that is none of the catalogue. */
export function reasonOf(error: unknown): { readonly code: FailureCode; readonly message: string } {
  if (isFailure(error)) return { code: error.code, message: error.message }
  return { code: 'internal', message: 'the node failed unexpectedly; its log tells more' }
}

export function countersOf({ done, skipped, bytes, failures }: PageOutcome): JobCounters {
  return { done, skipped, failed: failures.length, bytes }
}

/** True when every item of the page is settled. */
export function isWhole(page: JobPage, outcome: PageOutcome): boolean {
  return outcome.settled.length === page.items.length
}

/** Items that an outcome does not settle. */
export function unsettledItems(page: JobPage, outcome: PageOutcome): readonly JobItem[] {
  const settled = new Set(outcome.settled)
  return page.items.filter((_, at) => !settled.has(at))
}

/** Settles what is left of a page as failed. */
export function failRest(page: JobPage, outcome: PageOutcome, error: unknown): PageOutcome {
  const reason = reasonOf(error)
  const rest = unsettledItems(page, outcome)
  const { underWayBytes = 0, ...settled } = outcome
  return {
    ...settled,
    bytes: outcome.bytes - underWayBytes,
    settled: page.items.map((_, at) => at),
    failures: inOrder(page, [
      ...outcome.failures,
      ...rest.map((item) => ({ key: item.key, ...reason, item })),
    ]),
  }
}

/**
 * The outcome of a page as it is recorded: failures in the order of the items.
 *
 * @throws Failure `internal` for one that cannot be of this page
 */
export function checkedOutcome(page: JobPage, outcome: PageOutcome): PageOutcome {
  const { settled, done, skipped, bytes, underWayBytes = 0, failures } = outcome
  let before = -1
  for (const at of settled) {
    if (!Number.isInteger(at) || at <= before || at >= page.items.length) {
      throw badOutcome(page, `position ${at} follows ${before} of ${page.items.length} items`)
    }
    before = at
  }
  const counts = [done, skipped, bytes, underWayBytes, bytes - underWayBytes]
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) {
    throw badOutcome(page, 'a count is not a whole number')
  }
  if (done + skipped + failures.length !== settled.length) {
    throw badOutcome(page, 'its counts are not those of the settled items')
  }
  return { ...outcome, failures: inOrder(page, failures) }
}

/** Position of each failure's item in the page, ascending. */
export function failurePositions(page: JobPage, failures: readonly ItemFailure[]): number[] {
  if (failures.length === 0) return []
  const positions = new Map(page.items.map(({ key }, at) => [key, at]))
  return failures.map(({ key }) => positions.get(key) ?? -1)
}

/** @throws Failure `internal` for a step of a list that breaks a bound */
export function checkListed({ pages, cursor }: ListedStep): void {
  if (cursor !== undefined && cursor.length > CURSOR_LENGTH_MAX) {
    throw new Failure('internal', `a cursor of ${cursor.length} characters is too long to keep`)
  }
  const items = pages.reduce((sum, page) => sum + page.items.length, 0)
  if (items > PAGE_ITEMS_MAX) {
    throw new Failure('internal', `a step of a list found ${items} items, over ${PAGE_ITEMS_MAX}`)
  }
}

function inOrder(page: JobPage, failures: readonly ItemFailure[]): readonly ItemFailure[] {
  if (failures.length === 0) return failures
  const positions = failurePositions(page, failures)
  if (new Set(positions).size !== failures.length || positions.includes(-1)) {
    throw badOutcome(page, 'a failure is not of one of its items')
  }
  return failures
    .map((failure, at) => ({ failure, position: positions[at] ?? 0 }))
    .sort((first, second) => first.position - second.position)
    .map(({ failure }) => failure)
}

function badOutcome(page: JobPage, why: string): Failure {
  return new Failure('internal', `page ${page.number} of job ${page.jobId} ended wrongly: ${why}`)
}
