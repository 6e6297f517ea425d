import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { newNodeId } from '@forebay/base/ids'
import { nextTimeMs } from '../cron.ts'
import type { JobChange, JobEngine, JobFilter, JobWorker, ScheduleCheck } from '../engine.ts'
import type { ItemFailure, JobOrder, JobRecord, JobSchedule, NewSchedule } from '../job.ts'
import { isEnd, jobNotFound, paused, resumed } from '../record-change.ts'
import { FairQueue } from './fair-queue.ts'
import { JobRun, type RunContext } from './job-run.ts'
import { JobTable } from './job-table.ts'
import type { Head } from './rows.ts'
import { ScheduleWatch } from './schedule-watch.ts'

/** Steps of lists and ends that are under way at once, of all jobs. */
export const STEPS_AT_ONCE = 8

/** How long changes are gathered before listeners are told, milliseconds. */
const TELL_AFTER_MS = 100

/** How long `close` waits for what is under way to notice, milliseconds. */
const CLOSE_WAIT_MS = 10_000

export interface EmbeddedOptions {
  /** For the engine alone; made where it is not there. One engine at a time has it open. */
  readonly folder: string
  readonly clock: Clock
  /** Told of what failed behind everybody's back: a schedule, the removal of old jobs. */
  readonly onError?: ((error: unknown) => void) | undefined
}

/**
 * The engine of one node: a table in a folder, and work that is handed out in this process.
 *
 * It has one worker, so every page comes to it, whatever owner it names.
 */
export class EmbeddedEngine implements JobEngine {
  readonly name = 'embedded'
  readonly #table: JobTable
  readonly #clock: Clock
  readonly #closing = new AbortController()
  readonly #runs = new Map<string, JobRun>()
  readonly #listeners = new Set<(change: JobChange) => void>()
  readonly #changed = new Set<string>()
  #context: RunContext | undefined
  readonly #background = new Set<Promise<void>>()
  readonly #onError: (error: unknown) => void

  /** Over a table that is open, which the engine closes with itself. */
  constructor(table: JobTable, { clock, onError }: Omit<EmbeddedOptions, 'folder'>) {
    this.#table = table
    this.#clock = clock
    this.#onError = onError ?? (() => undefined)
  }

  /** @throws Failure `format-newer`; `disk-error` for a table that is damaged */
  static async open(options: EmbeddedOptions): Promise<EmbeddedEngine> {
    return new EmbeddedEngine(await JobTable.open(options.folder), options)
  }

  async submit(order: JobOrder): Promise<JobRecord> {
    const id = order.id ?? newNodeId()
    const head = await this.#open().submit(order, { id, nowMs: this.#clock.now() })
    this.#start(id)
    return this.#told(head)
  }

  async get(id: string): Promise<JobRecord | undefined> {
    return this.#open().read.record(id)
  }

  async list(filter: JobFilter): Promise<readonly JobRecord[]> {
    return this.#open().read.list(filter)
  }

  async failures(
    id: string,
    page: { readonly after?: string | undefined; readonly max: number },
  ): Promise<{ readonly failures: readonly ItemFailure[]; readonly next: string | undefined }> {
    return this.#open().read.failures(id, page)
  }

  async pause(id: string): Promise<JobRecord> {
    const head = await this.#open().alter(id, paused)
    this.#runs.get(id)?.stop('the job was paused')
    return this.#told(head)
  }

  async resume(id: string): Promise<JobRecord> {
    const head = await this.#open().alter(id, resumed)
    this.#start(id)
    return this.#told(head)
  }

  async abort(id: string, reason: string): Promise<JobRecord> {
    const head = await this.#open().end(id, {
      state: 'aborted',
      nowMs: this.#clock.now(),
      error: reason,
      evenPaused: true,
    })
    this.#runs.get(id)?.stop('the job was aborted')
    this.#prune()
    return this.#told(head)
  }

  async retry(id: string): Promise<JobRecord> {
    const head = await this.#open().retry(id)
    this.#start(id)
    return this.#told(head)
  }

  async remove(id: string): Promise<void> {
    await this.#open().remove(id)
    this.#tell(id)
  }

  async putSchedule(schedule: NewSchedule): Promise<JobSchedule> {
    const nextMs = nextTimeMs(schedule, this.#clock.now())
    return this.#open().putSchedule({ ...schedule, nextMs })
  }

  async listSchedules(): Promise<readonly JobSchedule[]> {
    return this.#open().read.schedules()
  }

  async removeSchedule(id: string): Promise<boolean> {
    return this.#open().removeSchedule(id)
  }

  watch(listener: (change: JobChange) => void): () => void {
    this.#listeners.add(listener)
    return () => void this.#listeners.delete(listener)
  }

  async work(worker: JobWorker, check?: ScheduleCheck): Promise<void> {
    const table = this.#open()
    if (this.#context !== undefined) throw new Error('the engine has a worker already')
    this.#context = {
      table,
      worker,
      clock: this.#clock,
      steps: new FairQueue(STEPS_AT_ONCE),
      pages: new FairQueue(worker.pagesAtOnce),
      onChange: (id) => this.#tell(id),
      onError: this.#onError,
      onOver: (run) => this.#over(run),
    }
    for (const id of table.read.goingIds()) this.#inBackground(async () => this.#start(id))
    const schedules = new ScheduleWatch({
      table,
      clock: this.#clock,
      check,
      onStart: (id) => {
        this.#start(id)
        this.#tell(id)
      },
      onError: this.#onError,
    })
    this.#inBackground(() => schedules.run(this.#closing.signal))
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new Failure('job-engine-unavailable', 'the engine of jobs is closed'))
    for (const run of this.#runs.values()) run.stop('the engine is closed')
    const waited = new AbortController()
    await Promise.race([
      this.#idle(),
      this.#clock.sleep(CLOSE_WAIT_MS, waited.signal).catch(() => undefined),
    ])
    waited.abort()
    await this.#table.close()
  }

  async #idle(): Promise<void> {
    await Promise.all([...this.#runs.values()].map((run) => run.idle()))
    while (this.#background.size > 0) await Promise.all(this.#background)
  }

  #open(): JobTable {
    this.#closing.signal.throwIfAborted()
    return this.#table
  }

  #told(head: Head): JobRecord {
    this.#tell(head.id)
    const record = this.#table.read.record(head.id)
    if (record === undefined) throw jobNotFound(head.id)
    return record
  }

  /** Begins a run of a job that goes on. Where one is coming to rest, that is done when it is over. */
  #start(id: string): void {
    const context = this.#context
    if (context === undefined || this.#closing.signal.aborted || this.#runs.has(id)) return
    const head = context.table.read.head(id)
    if (head === undefined || isEnd(head.state) || head.state === 'paused') return
    const run = new JobRun(id, context)
    this.#runs.set(id, run)
    run.start()
  }

  #over(run: JobRun): void {
    if (this.#runs.get(run.id) !== run) return
    this.#runs.delete(run.id)
    this.#inBackground(async () => this.#start(run.id))
    this.#prune()
  }

  #prune(): void {
    this.#inBackground(() => this.#table.prune())
  }

  #tell(id: string): void {
    if (this.#listeners.size === 0) return
    const isGathering = this.#changed.size > 0
    this.#changed.add(id)
    if (isGathering) return
    this.#inBackground(async () => {
      await this.#clock.sleep(TELL_AFTER_MS, this.#closing.signal)
      const ids = [...this.#changed]
      this.#changed.clear()
      for (const changed of ids) {
        for (const listener of this.#listeners) listener({ id: changed })
      }
    })
  }

  #inBackground(work: () => Promise<void>): void {
    if (this.#closing.signal.aborted) return
    const done = work()
      .catch((error: unknown) => {
        if (!this.#closing.signal.aborted) this.#onError(error)
      })
      .finally(() => this.#background.delete(done))
    this.#background.add(done)
  }
}
