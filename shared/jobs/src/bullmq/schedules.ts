import { createHash } from 'node:crypto'
import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { nextTimeMs } from '../cron.ts'
import type { JobOrder, JobRecord, JobSchedule } from '../job.ts'
import { isEnd } from '../record-change.ts'
import { readSchedule } from '../stored.ts'
import { asList, asText, parseJson } from './codec.ts'
import { EpochChanged } from './link.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** Schedules of one Redis. */
export const SCHEDULES_MAX = 1000

/** Longest id of a job. */
const ID_LENGTH_MAX = 64

/** What begins the jobs that are due. */
interface DueEngine {
  get(id: string): Promise<JobRecord | undefined>
  submit(order: JobOrder): Promise<JobRecord>
  /** Told why one schedule did not begin. */
  onTrouble(error: unknown): void
}

/** Jobs that come by the clock: rows in Redis, which any engine with a worker looks at. */
export class Schedules {
  readonly #jobs: RedisJobs
  readonly #clock: Clock

  constructor(jobs: RedisJobs, clock: Clock) {
    this.#jobs = jobs
    this.#clock = clock
  }

  async put(schedule: Omit<JobSchedule, 'nextMs' | 'lastJobId'>): Promise<JobSchedule> {
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
    const rows = asList(await link.command('hvals', [link.key('schedules')]))
    return rows
      .flatMap((row) => readSchedule(parseJson(asText(row))) ?? [])
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
    const { link } = this.#jobs
    const nowMs = this.#clock.now()
    const range = [link.key('due'), '-inf', nowMs, 'LIMIT', 0, SCHEDULES_MAX]
    const due = new Set(asList(await link.command('zrangebyscore', range)).map(asText))
    if (due.size === 0) return
    for (const schedule of await this.list()) {
      if (!due.has(schedule.id)) continue
      try {
        await this.#runOne(schedule, nowMs, engine)
      } catch (error) {
        if (error instanceof EpochChanged || isFailure(error, 'job-engine-unavailable')) throw error
        engine.onTrouble(error)
      }
    }
  }

  /** A time that comes before the last job has ended passes. */
  async #runOne(schedule: JobSchedule, nowMs: number, engine: DueEngine): Promise<void> {
    const { id, nextMs, lastJobId, order } = schedule
    const last = lastJobId === undefined ? undefined : await engine.get(lastJobId)
    const next = { ...schedule, nextMs: nextTimeMs(schedule, nowMs) }
    const row =
      last === undefined || isEnd(last.state)
        ? {
            ...next,
            lastJobId: (await engine.submit({ ...order, scheduleId: id, id: jobIdOf(id, nextMs) }))
              .id,
          }
        : next
    await this.#jobs.run('fired', id, [nextMs, row.nextMs, JSON.stringify(row)])
  }
}

function jobIdOf(scheduleId: string, dueMs: number): string {
  const id = `${scheduleId.replaceAll(/[^A-Za-z0-9_-]/g, '_')}-${dueMs}`
  if (id.length <= ID_LENGTH_MAX && !id.includes('__')) return id
  return createHash('sha256').update(`${scheduleId} ${dueMs}`).digest('hex').slice(0, 32)
}
