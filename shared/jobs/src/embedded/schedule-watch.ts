import type { Clock } from '@forebay/base/clock'
import { newNodeId } from '@forebay/base/ids'
import type { ScheduleCheck } from '../engine.ts'
import type { JobSchedule } from '../job.ts'
import { CorrectionTimer, correctedNextMs, DamageNotes, refusalOf } from '../schedule.ts'
import type { JobTable } from './job-table.ts'

/** How often schedules are looked at, milliseconds; sooner when the next one comes before. */
const LOOK_EVERY_MS = 1000

/** Begins the jobs of schedules whose time has come. */
export class ScheduleWatch {
  readonly #table: JobTable
  readonly #clock: Clock
  readonly #check: ScheduleCheck
  readonly #onStart: (jobId: string) => void
  readonly #onError: (error: unknown) => void
  readonly #damage: DamageNotes
  readonly #correction: CorrectionTimer

  constructor(options: {
    readonly table: JobTable
    readonly clock: Clock
    readonly check: ScheduleCheck | undefined
    readonly onStart: (jobId: string) => void
    readonly onError: (error: unknown) => void
  }) {
    this.#table = options.table
    this.#clock = options.clock
    this.#check = options.check ?? (async () => undefined)
    this.#onStart = options.onStart
    this.#onError = options.onError
    this.#correction = new CorrectionTimer(options.clock)
    this.#damage = new DamageNotes(options.onError)
  }

  /** Until the signal comes, which it rejects with. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let waitMs = LOOK_EVERY_MS
      try {
        waitMs = await this.#look()
      } catch (error) {
        this.#onError(error)
      }
      await this.#clock.sleep(waitMs, signal)
    }
  }

  /** @returns milliseconds until it is to be looked again */
  async #look(): Promise<number> {
    const schedules = this.#damage.sound(this.#table.read.schedules())
    await this.#correct(schedules)
    let waitMs = LOOK_EVERY_MS
    for (const schedule of schedules) {
      const leftMs = schedule.nextMs - this.#clock.now()
      if (leftMs > 0) waitMs = Math.min(waitMs, leftMs)
      else await this.#run(schedule)
    }
    return waitMs
  }

  /** However many times were missed, it runs once. */
  async #run(schedule: JobSchedule): Promise<void> {
    try {
      const isBusy = this.#table.read.isGoing(schedule.lastJobId)
      const refusal = isBusy ? undefined : await refusalOf(schedule, this.#check, this.#onError)
      const head = await this.#table.runSchedule(schedule.id, {
        jobId: newNodeId(),
        nowMs: this.#clock.now(),
        refusal,
      })
      if (head !== undefined) this.#onStart(head.id)
    } catch (error) {
      // One that cannot begin keeps no other back.
      this.#onError(error)
    }
  }

  /** Takes back times that a clock left behind which was far ahead. */
  async #correct(schedules: readonly JobSchedule[]): Promise<void> {
    if (!this.#correction.isDue()) return
    this.#correction.done()
    for (const schedule of schedules) {
      const { id, nextMs } = schedule
      const rightMs = correctedNextMs(schedule, this.#clock.now())
      if (rightMs !== nextMs) await this.#table.moveSchedule(id, { fromMs: nextMs, toMs: rightMs })
    }
  }
}
