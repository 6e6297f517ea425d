import { Failure, isFailure } from '@forebay/base/failure'
import { HISTORY_MAX, type ListedStep, PAGE_ITEMS_MAX } from '../engine.ts'
import type { ItemFailure, JobItem, JobOrder, JobPage, JobSchedule, PageOutcome } from '../job.ts'
import { checkListed, countersOf, failurePositions } from '../outcome.ts'
import {
  addCounters,
  ended,
  isEnd,
  type JobEnd,
  newRecord,
  requireEnded,
  retried,
  started,
  tooManyFailed,
} from '../record-change.ts'
import { nextOrNeverMs, passedWith } from '../schedule.ts'
import {
  addProgress,
  type Found,
  failuresOf,
  JobReader,
  type OpenPage,
  type PageName,
  pageKey,
} from './job-reader.ts'
import {
  type Head,
  type JobRows,
  openJobRows,
  type PageKey,
  type ProgressRow,
  type Serial,
} from './rows.ts'

/** Jobs that have not ended; more are refused. */
export const JOBS_GOING_MAX = 10_000

/** More are refused. */
export const SCHEDULES_MAX = 1000

/** Rows that one transaction of a removal takes away. */
const REMOVED_AT_ONCE = 1000

/**
 * Jobs on the disk. Each change is one transaction, and is durable when its promise resolves. What is
 * thrown is thrown before the first write of the transaction, so it leaves no trace.
 *
 * @throws Failure `job-engine-unavailable` from every change that cannot be written
 */
export class JobTable {
  readonly read: JobReader
  readonly #rows: JobRows

  private constructor(rows: JobRows) {
    this.#rows = rows
    this.read = new JobReader(rows)
  }

  static async open(folder: string): Promise<JobTable> {
    const table = new JobTable(await openJobRows(folder))
    await table.sweep()
    return table
  }

  async close(): Promise<void> {
    await this.#rows.close()
  }

  /** @throws Failure `slow-down` when `JOBS_GOING_MAX` have not ended */
  submit(order: JobOrder, name: { readonly id: string; readonly nowMs: number }): Promise<Head> {
    return this.#change(() => {
      const there = this.read.find(name.id)
      if (there !== undefined) return there.head
      if (this.#isFull()) throw tooManyWait()
      return this.#submit(order, name)
    })
  }

  /** The first piece of its work begins. */
  begin(id: string, nowMs: number): Promise<Head> {
    return this.alter(id, (head) => (head.state === 'queued' ? started(head, nowMs) : head))
  }

  /** Changes a job by a rule that may refuse. @throws Failure `job-not-found` */
  alter(id: string, change: (head: Head) => Head): Promise<Head> {
    return this.#change(() => {
      const { serial, head } = this.read.require(id)
      const changed = change(head)
      if (changed !== head) this.#put({ serial, head: changed })
      return changed
    })
  }

  /**
   * Does nothing to a job that has ended, or is in another attempt where one is named; nor to one that
   * is paused, unless that is said: who paused it was told that it stands still.
   */
  end(
    id: string,
    end: JobEnd & { readonly attempt?: number; readonly evenPaused?: boolean },
  ): Promise<Head> {
    return this.#change(() => {
      const found = this.read.require(id)
      const { head } = found
      const { attempt = head.attempt, evenPaused = false, ...rest } = end
      if (isEnd(head.state) || attempt !== head.attempt) return head
      if (head.state === 'paused' && !evenPaused) return head
      return this.#end(found, rest)
    })
  }

  /**
   * The pages of a step and where the next one begins; or nothing, when another step came first or the
   * attempt is over.
   */
  storeStep(
    began: { readonly id: string; readonly attempt: number; readonly steps: number },
    listed: ListedStep,
  ): Promise<readonly OpenPage[]> {
    checkListed(listed)
    return this.#change(() => {
      const found = this.read.find(began.id)
      if (found === undefined || isEnd(found.head.state)) return []
      const { serial, head } = found
      if (head.attempt !== began.attempt || head.steps !== began.steps) return []
      const pages = listed.pages.filter(({ items }) => items.length > 0)
      const items = pages.flatMap((page) => page.items)
      if (listed.cursor !== undefined) this.#rows.cursors.put(serial, listed.cursor)
      const changed = this.#putPages(found, pages)
      this.#put({
        serial,
        head: {
          ...changed.head,
          steps: head.steps + 1,
          listing: {
            items: head.listing.items + items.length,
            bytes: head.listing.bytes + items.reduce((sum, item) => sum + (item.sizeBytes ?? 0), 0),
            pages: head.listing.pages + pages.length,
            complete: listed.cursor === undefined,
          },
        },
      })
      return changed.opened
    })
  }

  /** Makes pages of failures of earlier attempts, as many as one step of a list has. */
  repage(id: string): Promise<readonly OpenPage[]> {
    return this.#change(() => {
      const found = this.read.find(id)
      if (found === undefined || isEnd(found.head.state)) return []
      const { serial, head } = found
      const keys = this.#rows.failures.keys({
        start: [serial, 0, 0, 0],
        end: [serial, head.attempt, 0, 0],
        max: PAGE_ITEMS_MAX,
      })
      const byOwner = new Map<string, ItemFailure['item'][]>()
      for (const key of keys) {
        const row = this.#rows.failures.get(key)
        if (row === undefined) continue
        const items = byOwner.get(row.owner) ?? []
        byOwner.set(row.owner, [...items, row.failure.item])
      }
      for (const key of keys) this.#rows.failures.remove(key)
      const pages = [...byOwner].flatMap(([owner, items]) => distinctPages(owner, items))
      const changed = this.#putPages(found, pages)
      const counters = { ...head.counters, failed: head.counters.failed - keys.length }
      const repaging = keys.length === PAGE_ITEMS_MAX
      this.#put({ serial, head: { ...changed.head, counters, repaging } })
      return changed.opened
    })
  }

  /** @returns the job as it is then; undefined when the page was done already */
  storeOutcome(
    name: PageName,
    { page, outcome, nowMs }: { page: JobPage; outcome: PageOutcome; nowMs: number },
  ): Promise<Head | undefined> {
    return this.#change(() => {
      const open = this.read.findPage(name)
      if (open === undefined) return undefined
      const { found, key } = open
      this.#putFailures(key, page, outcome)
      this.#rows.pages.remove(key)
      this.#rows.progress.remove(key)
      const counters = addCounters(found.head.counters, countersOf(outcome))
      const changed = { serial: found.serial, head: { ...found.head, counters } }
      const { endsJob: error } = outcome
      if (error === undefined || isEnd(found.head.state)) return this.#endAboveLimit(changed, nowMs)
      return this.#end(changed, { state: 'failed', nowMs, error })
    })
  }

  /** What is settled of a page that goes on later. @returns undefined when the page was done already */
  storeProgress(
    name: PageName,
    progress: { page: JobPage; outcome: PageOutcome; throws: number; nowMs: number },
  ): Promise<Head | undefined> {
    const { page, outcome, throws, nowMs } = progress
    return this.#change(() => {
      const open = this.read.findPage(name)
      if (open === undefined) return undefined
      const { found, key } = open
      this.#putFailures(key, page, outcome)
      const { settled, underWayBytes } = outcome
      const underWay = underWayBytes === undefined ? {} : { underWayBytes }
      this.#rows.progress.put(key, { throws, settled, ...countersOf(outcome), ...underWay })
      return this.#endAboveLimit(found, nowMs)
    })
  }

  /** @throws Failure `job-not-found` | `job-state-invalid`; `internal` where its rows are garbage */
  retry(id: string): Promise<Head> {
    return this.#change(() => {
      const found = this.read.require(id)
      const { serial, head } = found
      // A record that cannot be read is shown as failed; there is nothing to go on from.
      this.#rows.heads.get([serial, id])
      const open = this.read.pageKeys(found).map((key) => ({
        key,
        row: this.#rows.pages.get(key),
        progress: this.#rows.progress.get(key),
      }))
      const next: Head = { ...retried(head), nextPage: 0, repaging: true }
      for (const { key } of open) {
        this.#rows.pages.remove(key)
        this.#rows.progress.remove(key)
      }
      this.#rows.ended.remove([head.endedMs ?? 0, serial])
      // What broken pages had settled is settled; the rest of them comes first, with all of its bytes.
      const counters = open.reduce(
        (sum, { progress }) => addProgress(sum, progress && withoutUnderWay(progress)),
        head.counters,
      )
      const pages = open.flatMap(({ row, progress }) => {
        const settled = new Set(progress?.settled)
        const items = row?.items.filter((_, at) => !settled.has(at)) ?? []
        return items.length === 0 ? [] : [{ owner: row?.owner ?? '', items }]
      })
      const changed = this.#putPages({ serial, head: next }, pages)
      return this.#put({ serial, head: { ...changed.head, counters } })
    })
  }

  /** @throws Failure `job-not-found` | `job-state-invalid` */
  async remove(id: string): Promise<void> {
    await this.#change(() => {
      const found = this.read.require(id)
      requireEnded(found.head)
      this.#forget(found)
    })
    await this.sweep()
  }

  /** Takes away what is left of forgotten jobs. */
  async sweep(): Promise<void> {
    for (const serial of this.#rows.trash.keys({})) {
      while ((await this.#change(() => this.#sweepSome(serial))) > 0) {
        // Each round is a transaction of its own, so that others come in between.
      }
    }
  }

  /** Forgets the jobs that ended before the last `HISTORY_MAX` did. */
  async prune(): Promise<void> {
    const old = { reverse: true, offset: HISTORY_MAX, max: REMOVED_AT_ONCE }
    if (this.#rows.ended.keys(old).length === 0) return
    await this.#change(() => {
      for (const key of this.#rows.ended.keys(old)) {
        const found = this.read.find(this.#rows.ended.get(key) ?? '')
        if (found?.serial === key[1]) this.#forget(found)
        this.#rows.ended.remove(key)
      }
    })
    await this.sweep()
  }

  /** @throws Failure `slow-down` when there are `SCHEDULES_MAX` */
  putSchedule(schedule: JobSchedule): Promise<JobSchedule> {
    return this.#change(() => {
      const before = this.read.schedule(schedule.id)
      if (before === undefined && this.#rows.schedules.count() >= SCHEDULES_MAX) {
        throw new Failure('slow-down', `there are ${SCHEDULES_MAX} schedules already`)
      }
      const kept = { ...schedule, lastJobId: schedule.lastJobId ?? before?.lastJobId }
      this.#rows.schedules.put(kept.id, kept)
      return kept
    })
  }

  removeSchedule(id: string): Promise<boolean> {
    return this.#change(() => {
      const there = this.#rows.schedules.keys({ start: id, max: 1 })[0] === id
      this.#rows.schedules.remove(id)
      return there
    })
  }

  /**
   * Submits the job of a schedule whose time has come, and sets the next time, in one transaction.
   *
   * @param time `refusal`: why there is to be no job; the schedule keeps it
   * @returns the job; undefined when the time is not there yet, the last one has not ended, it is
   * refused, or too many jobs wait
   */
  runSchedule(
    id: string,
    time: { readonly jobId: string; readonly nowMs: number; readonly refusal: unknown },
  ): Promise<Head | undefined> {
    const { jobId, nowMs } = time
    return this.#change(() => {
      const schedule = this.read.schedule(id)
      if (schedule === undefined || schedule.nextMs > nowMs) return undefined
      const { lastError: _before, ...rest } = schedule
      const next = { ...rest, nextMs: nextOrNeverMs(schedule, nowMs) }
      if (this.read.isGoing(schedule.lastJobId)) {
        this.#rows.schedules.put(id, next)
        return undefined
      }
      const refusal = time.refusal ?? (this.#isFull() ? tooManyWait() : undefined)
      if (refusal !== undefined) {
        this.#rows.schedules.put(id, passedWith(schedule, refusal, nowMs))
        return undefined
      }
      this.#rows.schedules.put(id, { ...next, lastJobId: jobId })
      return this.#submit({ ...schedule.order, scheduleId: id }, { id: jobId, nowMs })
    })
  }

  /** Sets another time where it is still the one that was read. */
  moveSchedule(
    id: string,
    { fromMs, toMs }: { readonly fromMs: number; readonly toMs: number },
  ): Promise<void> {
    return this.#change(() => {
      const schedule = this.read.schedule(id)
      if (schedule?.nextMs !== fromMs) return
      this.#rows.schedules.put(id, { ...schedule, nextMs: toMs })
    })
  }

  #submit(order: JobOrder, name: { readonly id: string; readonly nowMs: number }): Head {
    const { args, ...record } = newRecord(order, name)
    const serial = (this.#rows.counts.get('serial') ?? 0) + 1
    const head: Head = { ...record, nextPage: 0, steps: 0, repaging: false }
    this.#rows.counts.put('serial', serial)
    this.#rows.serials.put(head.id, serial)
    this.#rows.args.put(serial, args)
    return this.#put({ serial, head })
  }

  #isFull(): boolean {
    return this.#rows.heads.count() - this.#rows.ended.count() >= JOBS_GOING_MAX
  }

  #put(found: Found): Head {
    this.#rows.heads.put([found.serial, found.head.id], found.head)
    return found.head
  }

  #putPages(
    found: Found,
    pages: ListedStep['pages'],
  ): { readonly head: Head; readonly opened: readonly OpenPage[] } {
    const { serial, head } = found
    const opened = pages.map(({ owner }, at) => ({ number: head.nextPage + at, owner }))
    pages.forEach((page, at) => {
      this.#rows.pages.put([serial, head.attempt, head.nextPage + at], page)
    })
    return { head: { ...head, nextPage: head.nextPage + pages.length }, opened }
  }

  #putFailures(key: PageKey, page: JobPage, { failures }: PageOutcome): void {
    if (failures.length === 0) return
    const there = new Set(this.#rows.failures.keys(failuresOf(key)).map((at) => at[3]))
    failurePositions(page, failures).forEach((position, at) => {
      const failure = failures[at]
      if (failure === undefined || there.has(position)) return
      this.#rows.failures.put([...key, position], { owner: page.owner, failure })
    })
  }

  #endAboveLimit(found: Found, nowMs: number): Head {
    const { failuresMax } = found.head.limits
    const isOver = failuresMax !== undefined && this.read.counters(found).failed > failuresMax
    if (!isOver || isEnd(found.head.state)) return this.#put(found)
    return this.#end(found, { state: 'failed', nowMs, error: tooManyFailed(failuresMax) })
  }

  #end({ serial, head }: Found, end: JobEnd): Head {
    this.#rows.ended.put([end.nowMs, serial], head.id)
    return this.#put({ serial, head: ended(head, end) })
  }

  #forget({ serial, head }: Found): void {
    this.#rows.heads.remove([serial, head.id])
    this.#rows.serials.remove(head.id)
    this.#rows.args.remove(serial)
    this.#rows.cursors.remove(serial)
    this.#rows.ended.remove([head.endedMs ?? 0, serial])
    this.#rows.trash.put(serial, 0)
  }

  /** @returns rows removed; 0 when it was the last round */
  #sweepSome(serial: Serial): number {
    const pages = { start: pageKey(serial), end: pageKey(serial + 1), max: REMOVED_AT_ONCE }
    const open = this.#rows.pages.keys(pages)
    for (const key of open) {
      this.#rows.pages.remove(key)
      this.#rows.progress.remove(key)
    }
    const failures = this.#rows.failures.keys({
      start: [...pages.start, 0],
      end: [...pages.end, 0],
      max: REMOVED_AT_ONCE,
    })
    for (const key of failures) this.#rows.failures.remove(key)
    const removed = open.length + failures.length
    if (removed === 0) this.#rows.trash.remove(serial)
    return removed
  }

  async #change<T>(change: () => T): Promise<T> {
    try {
      return await this.#rows.transact(change)
    } catch (cause) {
      if (isFailure(cause)) throw cause
      throw new Failure('job-engine-unavailable', 'the table of jobs cannot be written', { cause })
    }
  }
}

function tooManyWait(): Failure {
  return new Failure('slow-down', `${JOBS_GOING_MAX} jobs wait already`, { retryAfterSeconds: 60 })
}

/** Of items that are begun anew no bytes have come. */
function withoutUnderWay(progress: ProgressRow): ProgressRow {
  return { ...progress, bytes: progress.bytes - (progress.underWayBytes ?? 0) }
}

/** Pages of one owner, none of them with a key twice. */
function distinctPages(owner: string, items: readonly JobItem[]): ListedStep['pages'] {
  const pages: Map<string, JobItem>[] = []
  for (const item of items) {
    const page = pages.find((keys) => !keys.has(item.key))
    if (page === undefined) pages.push(new Map([[item.key, item]]))
    else page.set(item.key, item)
  }
  return pages.map((page) => ({ owner, items: [...page.values()] }))
}
