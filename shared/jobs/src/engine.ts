import type { Failure } from '@forebay/base/failure'
import type {
  ItemFailure,
  JobItem,
  JobOrder,
  JobPage,
  JobRecord,
  JobSchedule,
  JobState,
  JsonObject,
  NewSchedule,
  PageOutcome,
} from './job.ts'
import type { Rates } from './rates.ts'

/** Items of one page of a list: what one LIST of a store answers, and what is redone after a crash. */
export const PAGE_ITEMS_MAX = 1000

/** Pages listed and not done yet, for each owner: the lister waits for the rest. */
export const PAGES_AHEAD_MAX = 16

/** Deliveries of a page that throws before its items are recorded as failed. */
export const PAGE_ATTEMPTS_MAX = 5

/** Jobs that have ended and are still told of; older ones are forgotten. */
export const HISTORY_MAX = 1000

/**
 * The right to work on a page, a step of the list, or the end of a job; one holder at a time.
 *
 * A holder that stood still (stopped process, long pause) finds it gone: `check` goes by a clock of its
 * own, so it is right even where nobody could tell. An engine gives a page to somebody else only after
 * the time for which `check` lets its holder go on.
 */
export interface Lease {
  /** Aborted when the lease is lost, or the job is paused, aborted or forgotten, or the engine closes. */
  readonly signal: AbortSignal
  /**
   * To be called right before each effect: cheap, no I/O.
   *
   * @throws the signal's reason, or Failure `job-lease-lost`
   */
  check(): void
}

/** One step of listing. */
export interface ListStep {
  readonly job: JobRecord
  /** As the step before it returned; `undefined` at the beginning. */
  readonly cursor: string | undefined
  readonly lease: Lease
}

/** What a step of listing found. Stored at once with the cursor, so no page comes twice or never. */
export interface ListedStep {
  /** At most one page of a list, split by owner; may be none. */
  readonly pages: readonly { readonly owner: string; readonly items: readonly JobItem[] }[]
  /** Where the next step begins, at most 64 KiB; `undefined`: the list is complete. */
  readonly cursor: string | undefined
}

export interface PageDelivery {
  readonly job: JobRecord
  readonly page: JobPage
  /**
   * Of earlier deliveries that broke off: the items they settled are not to be done again. What this
   * delivery saves and returns includes it.
   */
  readonly saved: PageOutcome | undefined
  readonly lease: Lease
  /** Records how far it is; kept at most once a second, the last one when the lease ends. */
  save(outcome: PageOutcome): void
}

/** What does the work. The engine calls it; it never calls itself. */
export interface JobWorker {
  /** Node id: pages of this owner come here. */
  readonly owner: string
  /** Pages at once. */
  readonly pagesAtOnce: number
  /**
   * @throws Failure: retried with pauses while it is `retryable`, at most `PAGE_ATTEMPTS_MAX` times in a
   * row; then, or when it is not, the job has failed with its message
   */
  list(step: ListStep): Promise<ListedStep>
  /**
   * Does a page. Failures of items stand in the outcome; what is thrown concerns the whole page, which
   * is delivered again with pauses.
   */
  apply(delivery: PageDelivery): Promise<PageOutcome>
  /**
   * The last step, after every page: may be delivered more than once.
   *
   * @returns what the job's `result` shall be
   */
  end(step: { readonly job: JobRecord; readonly lease: Lease }): Promise<JsonObject | undefined>
}

export interface JobFilter {
  readonly kind?: string | undefined
  readonly states?: readonly JobState[] | undefined
  /** Of the job's bucket, as `formatBucket` writes it. */
  readonly bucket?: string | undefined
  /** Newest first; 1..1,000, 100 by default. */
  readonly max?: number | undefined
  /** Records come with empty arguments: those of one job may be megabytes. */
  readonly withoutArgs?: boolean | undefined
}

/**
 * Whether the order of a schedule may be given now, as if its user asked for it this moment. Asked when
 * a time has come and the last job has ended.
 *
 * @returns the refusal: no job is made, the schedule keeps the reason and is tried at its next time
 */
export type ScheduleCheck = (schedule: JobSchedule) => Promise<Failure | undefined>

/** Something about a job changed; what, is asked with `get`. */
export interface JobChange {
  readonly id: string
}

/**
 * Keeps jobs and hands out their work: the embedded one in a table of this node, BullMQ in Redis for any
 * number of nodes. Every promise of this contract is checked by one suite on each
 * (`conformance.ts`). Not in it, on purpose: what kinds there are, who may ask for them, rates, and how
 * a kind does its work.
 *
 * Delivery is at least once, and what is counted is counted once: an outcome belongs to
 * (job, attempt, page number), and a second one of the same page changes nothing.
 *
 * Where the engine cannot be reached: Failure `job-engine-unavailable`.
 */
export interface JobEngine {
  readonly name: 'embedded' | 'bullmq'
  /** Of the jobs' rates, shared by all who work on them; absent: this process alone does. */
  readonly rates?: Rates | undefined
  /** Durable when it resolves. */
  submit(order: JobOrder): Promise<JobRecord>
  get(id: string): Promise<JobRecord | undefined>
  list(filter: JobFilter): Promise<readonly JobRecord[]>
  /**
   * In the order of pages and items.
   * @throws Failure `job-not-found`; `argument-invalid` for an `after` that no answer gave
   */
  failures(
    id: string,
    page: { readonly after?: string | undefined; readonly max: number },
  ): Promise<{
    readonly failures: readonly ItemFailure[]
    /** Where the next answer begins; absent at the end. */
    readonly next: string | undefined
  }>
  /**
   * What is being worked on stops and keeps its place. Does nothing to a paused job.
   * @throws Failure `job-not-found` | `job-state-invalid` where it has ended
   */
  pause(id: string): Promise<JobRecord>
  resume(id: string): Promise<JobRecord>
  /** Nothing of it is begun after this resolved; does nothing to a job that has ended. */
  abort(id: string, reason: string): Promise<JobRecord>
  /**
   * Takes up what failed, and that alone; of a job that ended before its list was complete also the
   * rest of the list.
   *
   * @throws Failure `job-not-found` | `job-state-invalid` unless it is `failed` or `aborted`
   */
  retry(id: string): Promise<JobRecord>
  /** Forgets a job that has ended. @throws Failure `job-not-found` | `job-state-invalid` */
  remove(id: string): Promise<void>

  /** Replaces one of the same id. @throws Failure `argument-invalid` for a cron that never comes */
  putSchedule(schedule: NewSchedule): Promise<JobSchedule>
  /** Also those that are damaged, of which only the id is known. */
  listSchedules(): Promise<readonly JobSchedule[]>
  /** @returns false when there was none */
  removeSchedule(id: string): Promise<boolean>

  /** Told within a second of what any process changed. @returns ends it */
  watch(listener: (change: JobChange) => void): () => void
  /** Begins to hand out work, also that of schedules; once for each engine. */
  work(worker: JobWorker, check?: ScheduleCheck): Promise<void>
  /** Ends all leases, waits for what is under way to notice, releases everything. */
  close(): Promise<void>
}
