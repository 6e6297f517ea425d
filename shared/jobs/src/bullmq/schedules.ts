import { createHash } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { nextTimeMs } from '../cron.ts'
import type { ScheduleCheck } from '../engine.ts'
import type { JobOrder, JobRecord, JobSchedule, NewSchedule } from '../job.ts'
import { isEnd } from '../record-change.ts'
import {
  CorrectionTimer,
  correctedNextMs,
  DamageNotes,
  damagedSchedule,
  nextOrNeverMs,
  passedWith,
  refusalOf,
} from '../schedule.ts'
import { readSchedule } from '../stored.ts'
import { asFields, asList, asText, parseJson } from './codec.ts'
import { EpochChanged } from './link.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** Schedules of one Redis. */
export const SCHEDULES_MAX = 1000

/** Longest id of a job. */
const ID_LENGTH_MAX = 64

/** What begins the jobs that are due. */
interface DueEngine {
  readonly check: ScheduleCheck
  get(id: string): Promise<JobRecord | undefined>
  submit(order: JobOrder): Promise<JobRecord>
}

/** Jobs that come by the clock: rows in Redis, which any engine with a worker looks at. */
export class Schedules {
  readonly #jobs: RedisJobs
  readonly #clock: Clock
  readonly #onTrouble: (error: unknown) => void
  readonly #damage: DamageNotes
  readonly #correction: CorrectionTimer

  /** @param options `onTrouble`: told why one schedule did not begin, and which are damaged */
  constructor(options: {
    readonly jobs: RedisJobs
    readonly clock: Clock
    readonly onTrouble: (error: unknown) => void
  }) {
    this.#jobs = options.jobs
    this.#clock = options.clock
    this.#onTrouble = options.onTrouble
    this.#correction = new CorrectionTimer(options.clock)
    this.#damage = new DamageNotes(options.onTrouble)
  }

  async put(schedule: NewSchedule): Promise<JobSchedule> {
    const nextMs = nextTimeMs(schedule, this.#clock.now())
    const all = await this.list()
    const before = all.find(({ id }) => id === schedule.id)
    if (before === undefined && all.length >= SCHEDULES_MAX) {
      throw new Failure('slow-down', `there are ${SCHEDULES_MAX} schedules already`)
    }
    const lastJobId = before?.lastJobId
    const row = { ...schedule, nextMs, ...(lastJobId === undefined ? {} : { lastJobId }) }
    await this.#jobs.run('schedule', row.id, [nextMs, JSON.stringify(row), 0])
    return row
  }

  /** By id. */
  async list(): Promise<readonly JobSchedule[]> {
    const { link } = this.#jobs
    const rows = asFields(await link.command('hgetall', [link.key('schedules')]))
    return [...rows]
      .map(([id, row]) => {
        const read = readSchedule(parseJson(row))
        return read === undefined || read.id !== id ? damagedSchedule(id) : read
      })
      .sort((first, second) => (first.id < second.id ? -1 : 1))
  }

  async remove(id: string): Promise<boolean> {
    const { link } = this.#jobs
    await link.command('zrem', [link.key('due'), id])
    return (await link.command('hdel', [link.key('schedules'), id])) === 1
  }

  /** Those of a Redis that lost them; a newer one of the same id stays. */
  async restore(schedules: readonly JobSchedule[]): Promise<void> {
    for (const row of schedules) {
      await this.#jobs.run('schedule', row.id, [row.nextMs, JSON.stringify(row), 1])
    }
  }

  /**
   * Begins what is due. However many times were missed, it runs once; whoever of several engines is
   * first, it is one job: its id is made of the time. One that cannot begin keeps no other back.
   *
   * @throws what concerns all of them: `job-engine-unavailable`, EpochChanged
   */
  async runDue(engine: DueEngine): Promise<void> {
    await this.#correct()
    const { link } = this.#jobs
    const nowMs = this.#clock.now()
    const range = [link.key('due'), '-inf', nowMs, 'LIMIT', 0, SCHEDULES_MAX]
    const due = new Set(asList(await link.command('zrangebyscore', range)).map(asText))
    if (due.size === 0) return
    for (const schedule of this.#damage.sound(await this.list())) {
      if (due.has(schedule.id)) await this.#runOne(schedule, engine)
    }
  }

  /** A time that comes before the last job has ended passes. */
  async #runOne(schedule: JobSchedule, engine: DueEngine): Promise<void> {
    let row: JobSchedule
    try {
      row = await this.#tried(schedule, engine)
    } catch (error) {
      if (error instanceof EpochChanged || isFailure(error, 'job-engine-unavailable')) throw error
      this.#onTrouble(error)
      row = passedWith(schedule, error, this.#clock.now())
    }
    await this.#move(schedule, row)
  }

  /** The schedule after this time of it. */
  async #tried(schedule: JobSchedule, engine: DueEngine): Promise<JobSchedule> {
    const { id, nextMs, lastJobId, order } = schedule
    const last = lastJobId === undefined ? undefined : await engine.get(lastJobId)
    const { lastError: _before, ...rest } = schedule
    const next = (): number => nextOrNeverMs(schedule, this.#clock.now())
    if (last !== undefined && !isEnd(last.state)) return { ...rest, nextMs: next() }
    const refusal = await refusalOf(schedule, engine.check, this.#onTrouble)
    if (refusal !== undefined) return passedWith(schedule, refusal, this.#clock.now())
    const job = await engine.submit({ ...order, scheduleId: id, id: jobIdOf(id, nextMs) })
    return { ...rest, nextMs: next(), lastJobId: job.id }
  }

  /** Writes a row where its time is still the one that was read. */
  async #move({ id, nextMs }: JobSchedule, row: JobSchedule): Promise<void> {
    await this.#jobs.run('fired', id, [nextMs, row.nextMs, JSON.stringify(row)])
  }

  /** Takes back times that a clock left behind which was far ahead, and tells what is damaged. */
  async #correct(): Promise<void> {
    if (!this.#correction.isDue()) return
    for (const schedule of this.#damage.sound(await this.list())) {
      const nextMs = correctedNextMs(schedule, this.#clock.now())
      if (nextMs !== schedule.nextMs) await this.#move(schedule, { ...schedule, nextMs })
    }
    this.#correction.done()
  }
}

function jobIdOf(scheduleId: string, dueMs: number): string {
  const id = `${scheduleId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}-${dueMs}`
  if (id.length <= ID_LENGTH_MAX && !id.includes('__')) return id
  return createHash('sha256').update(`${scheduleId} ${dueMs}`).digest('hex').slice(0, 32)
}
