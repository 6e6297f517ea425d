import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { type JobWorker, PAGE_ATTEMPTS_MAX, PAGES_AHEAD_MAX } from '../engine.ts'
import type { JobPage, JobRecord, PageOutcome } from '../job.ts'
import { failRest, isWhole, NOTHING_SETTLED, reasonOf, retryPauseMs } from '../outcome.ts'
import { endedByCount, isEnd } from '../record-change.ts'
import type { FairQueue } from './fair-queue.ts'
import { JobLease } from './job-lease.ts'
import type { PageName } from './job-reader.ts'
import type { JobTable } from './job-table.ts'
import { PageProgress } from './page-progress.ts'
import type { Head } from './rows.ts'

/** What all runs of an engine share. */
export interface RunContext {
  readonly table: JobTable
  readonly worker: JobWorker
  readonly clock: Clock
  /** Steps of lists, and ends. */
  readonly steps: FairQueue
  readonly pages: FairQueue
  /** Something about the job was written. */
  onChange(id: string): void
  /** Something failed that no user could have expected. */
  onError(error: unknown): void
  /** The run has come to its end, or was stopped, and nothing of it is under way any more. */
  onOver(run: JobRun): void
}

interface WaitingPage {
  readonly owner: string
  /** Nobody has been asked to do it. */
  isIdle: boolean
}

/**
 * A job from the moment when it may go on to a pause, its end or the end of the engine. What it knows
 * is in the table; here is only what is under way.
 */
export class JobRun {
  readonly id: string
  readonly #context: RunContext
  readonly #stopping = new AbortController()
  readonly #pages = new Map<number, WaitingPage>()
  readonly #underWay = new Set<Promise<void>>()
  #isStepping = false
  #stepFailures = 0

  constructor(id: string, context: RunContext) {
    this.id = id
    this.#context = context
  }

  get isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  /** Takes up what is open. */
  start(): void {
    void this.#track(async () => {
      for (const { number, owner } of this.#context.table.read.openPages(this.id)) {
        this.#pages.set(number, { owner, isIdle: true })
      }
      this.#goOn()
    })
  }

  /** Ends every lease; what is under way notices soon. */
  stop(why: string): void {
    if (this.isStopped) return
    this.#stopping.abort(new Failure('job-lease-lost', why))
    this.#context.steps.drop(this.id)
    this.#context.pages.drop(this.id)
    if (this.#underWay.size === 0) this.#context.onOver(this)
  }

  /** Resolves when nothing is under way. */
  async idle(): Promise<void> {
    while (this.#underWay.size > 0) await Promise.all(this.#underWay)
  }

  /** Hands out what can be done now. */
  #goOn(): void {
    if (this.isStopped) return
    const head = this.#context.table.read.head(this.id)
    if (head === undefined || isEnd(head.state) || head.state === 'paused') {
      this.stop('the job does not go on')
      return
    }
    const turn = { jobId: this.id, priority: head.priority }
    for (const [number, page] of this.#pages) {
      if (!page.isIdle) continue
      page.isIdle = false
      const name = { id: this.id, attempt: head.attempt, number }
      this.#context.pages.add({ ...turn, run: () => this.#track(() => this.#deliver(name)) })
    }
    const step = this.#isStepping ? undefined : this.#nextStep(head)
    if (step === undefined) return
    this.#isStepping = true
    this.#context.steps.add({ ...turn, run: () => this.#track(step) })
  }

  #nextStep(head: Head): (() => Promise<void>) | undefined {
    if (!head.repaging && head.listing.complete) {
      return this.#pages.size === 0 ? () => this.#end() : undefined
    }
    const ahead = new Map<string, number>()
    for (const { owner } of this.#pages.values()) ahead.set(owner, (ahead.get(owner) ?? 0) + 1)
    if (Math.max(0, ...ahead.values()) >= PAGES_AHEAD_MAX) return undefined
    return () => this.#list(head.repaging)
  }

  async #list(isRepaging: boolean): Promise<void> {
    const { table, worker } = this.#context
    const job = await this.#begin()
    if (job === undefined) return
    const { steps, attempt } = job.head
    const listed = isRepaging
      ? undefined
      : await this.#tried((lease) =>
          worker.list({ job: job.record, cursor: table.read.cursor(this.id), lease }),
        )
    if (!isRepaging && listed === undefined) return
    const opened = await this.#durably(() =>
      listed === undefined
        ? table.repage(this.id)
        : table.storeStep({ id: this.id, attempt, steps }, listed.value),
    )
    this.#context.onChange(this.id)
    for (const { number, owner } of opened) this.#pages.set(number, { owner, isIdle: true })
    this.#isStepping = false
    this.#goOn()
  }

  async #end(): Promise<void> {
    const { table, worker, clock } = this.#context
    const job = await this.#begin()
    if (job === undefined) return
    const result = await this.#tried((lease) => worker.end({ job: job.record, lease }))
    if (result === undefined || this.isStopped) return
    const { attempt, failed } = { ...job.head, ...job.record.counters }
    this.#stored(
      await this.#durably(() =>
        table.end(this.id, {
          attempt,
          nowMs: clock.now(),
          result: result.value,
          ...endedByCount(failed),
        }),
      ),
    )
  }

  /** @returns undefined when it is to be tried again later; that is seen to */
  async #tried<T>(work: (lease: JobLease) => Promise<T>): Promise<{ value: T } | undefined> {
    const lease = new JobLease(this.#stopping.signal)
    try {
      const value = await work(lease)
      this.#stepFailures = 0
      return { value }
    } catch (error) {
      if (this.isStopped) return undefined
      this.#stepFailures += 1
      const isLast = this.#stepFailures >= PAGE_ATTEMPTS_MAX
      if (!isFailure(error) || !error.retryable || isLast) throw error
      this.#later(retryPauseMs(this.#stepFailures, error), () => {
        this.#isStepping = false
      })
      return undefined
    } finally {
      lease.end()
    }
  }

  async #deliver(name: PageName): Promise<void> {
    const { table, worker, clock } = this.#context
    const job = await this.#begin()
    const open = job === undefined ? undefined : table.read.page(name)
    if (job === undefined || open === undefined) {
      // Somebody has done it meanwhile.
      this.#pages.delete(name.number)
      this.#goOn()
      return
    }
    const { page, saved, throws } = open
    const lease = new JobLease(this.#stopping.signal)
    const store = async (outcome: PageOutcome): Promise<void> => {
      this.#stored(await table.storeProgress(name, { page, outcome, throws, nowMs: clock.now() }))
    }
    const progress = new PageProgress(page, { clock, signal: lease.signal, store })
    let thrown: unknown
    try {
      const save = (outcome: PageOutcome): void => progress.save(outcome)
      progress.save(await worker.apply({ job: job.record, page, saved, lease, save }))
    } catch (error) {
      thrown = error
      if (!this.isStopped && !isFailure(error)) this.#context.onError(error)
    } finally {
      lease.end()
    }
    const outcome = (await progress.close()) ?? saved
    await this.#settle(name, { page, throws, outcome, thrown })
  }

  async #settle(
    name: PageName,
    delivered: { page: JobPage; throws: number; outcome: PageOutcome | undefined; thrown: unknown },
  ): Promise<void> {
    const { table, clock } = this.#context
    const { page, outcome = NOTHING_SETTLED, thrown } = delivered
    const nowMs = clock.now()
    if (isWhole(page, outcome)) {
      await this.#close(name, { page, outcome })
      return
    }
    if (this.isStopped) {
      if (outcome === NOTHING_SETTLED) return
      this.#stored(await table.storeProgress(name, { ...delivered, outcome, nowMs }))
      return
    }
    const error = thrown ?? new Failure('internal', 'the work on the page ended before its items')
    const throws = delivered.throws + 1
    if (throws >= PAGE_ATTEMPTS_MAX) {
      await this.#close(name, { page, outcome: failRest(page, outcome, error) })
      return
    }
    this.#stored(
      await this.#durably(() => table.storeProgress(name, { page, outcome, throws, nowMs })),
    )
    this.#later(retryPauseMs(throws, error), () => {
      const waiting = this.#pages.get(name.number)
      if (waiting !== undefined) waiting.isIdle = true
    })
  }

  async #close(name: PageName, done: { page: JobPage; outcome: PageOutcome }): Promise<void> {
    const { table, clock } = this.#context
    const nowMs = clock.now()
    const head = await this.#durably(() => table.storeOutcome(name, { ...done, nowMs }))
    this.#pages.delete(name.number)
    this.#stored(head)
    this.#goOn()
  }

  /** The job as it is now, begun; undefined when it does not go on. */
  async #begin(): Promise<{ readonly head: Head; readonly record: JobRecord } | undefined> {
    const { table, clock } = this.#context
    if (this.isStopped) return undefined
    let head = table.read.head(this.id)
    if (head?.state === 'queued') {
      head = await this.#durably(() => table.begin(this.id, clock.now()))
      this.#context.onChange(this.id)
    }
    const record = table.read.record(this.id)
    if (this.isStopped || head === undefined || record === undefined) return undefined
    if (head.state !== 'running') {
      this.stop('the job does not go on')
      return undefined
    }
    // Its arguments are garbage.
    if (record.state === 'failed') throw new Failure('internal', record.error ?? '')
    return { head, record }
  }

  /** Writes; waits and tries again as long as the table cannot be written. */
  async #durably<T>(write: () => Promise<T>): Promise<T> {
    for (let failures = 1; ; failures++) {
      try {
        return await write()
      } catch (error) {
        if (this.isStopped || !isFailure(error, 'job-engine-unavailable')) throw error
        await this.#context.clock.sleep(retryPauseMs(failures, error), this.#stopping.signal)
      }
    }
  }

  #stored(head: Head | undefined): void {
    this.#context.onChange(this.id)
    if (head !== undefined && isEnd(head.state)) this.stop('the job has ended')
  }

  #later(ms: number, then: () => void): void {
    void this.#track(async () => {
      await this.#context.clock.sleep(ms, this.#stopping.signal)
      then()
      this.#goOn()
    })
  }

  #track(work: () => Promise<void>): Promise<void> {
    const done = this.#guard(work).finally(() => {
      this.#underWay.delete(done)
      if (this.isStopped && this.#underWay.size === 0) this.#context.onOver(this)
    })
    this.#underWay.add(done)
    return done
  }

  /** What goes wrong ends the job, and nothing else; of a run that was stopped it says nothing. */
  async #guard(work: () => Promise<void>): Promise<void> {
    const { table, clock } = this.#context
    try {
      await work()
    } catch (error) {
      if (this.isStopped) return
      if (!isFailure(error)) this.#context.onError(error)
      const end = { state: 'failed', nowMs: clock.now(), error: reasonOf(error).message } as const
      try {
        this.#stored(await this.#durably(() => table.end(this.id, end)))
      } catch {
        // It was stopped meanwhile, or is gone.
        this.stop('the job does not go on')
      }
    }
  }
}
