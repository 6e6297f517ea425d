import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import { nextTimeMs } from './cron.ts'
import type { ScheduleCheck } from './engine.ts'
import type { JobSchedule, ScheduleError } from './job.ts'
import { reasonOf } from './outcome.ts'

/** How often the times of all schedules are held against the clock, milliseconds. */
const CORRECT_EVERY_MS = 60_000

/** A wall clock that moved by more than this against the other one was set, milliseconds. */
const CLOCK_STEP_MS = 1000

/** A clock that was ahead by less than this is not corrected for: no time comes twice. */
export const CLOCK_AHEAD_MS = 300_000

/** The time of a schedule whose pattern never comes: the last that a `Date` can say. */
export const NEVER_MS = 8.64e15

/** When a schedule comes next after a time; `NEVER_MS` for a pattern that is none any more. */
export function nextOrNeverMs(schedule: JobSchedule, afterMs: number): number {
  try {
    return nextTimeMs(schedule, afterMs)
  } catch {
    return NEVER_MS
  }
}

/**
 * When a schedule really comes next. A clock that was far ahead when the schedule was last tried left a
 * time behind that is far off, and the schedule would be silent until then.
 */
export function correctedNextMs(schedule: JobSchedule, nowMs: number): number {
  if (schedule.nextMs <= nextOrNeverMs(schedule, nowMs + CLOCK_AHEAD_MS)) return schedule.nextMs
  return nextOrNeverMs(schedule, nowMs)
}

/** Says when the times of schedules are to be corrected: once a minute, and when the clock was set. */
export class CorrectionTimer {
  readonly #clock: Clock
  #doneAt = Number.NEGATIVE_INFINITY
  #offsetMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  isDue(): boolean {
    const now = this.#clock.monotonic()
    const isSet = Math.abs(this.#clock.now() - now - this.#offsetMs) > CLOCK_STEP_MS
    return isSet || now - this.#doneAt >= CORRECT_EVERY_MS
  }

  /** They were, as of now. */
  done(): void {
    this.#doneAt = this.#clock.monotonic()
    this.#offsetMs = this.#clock.now() - this.#doneAt
  }
}

/** What stands for a schedule of which only the id can be read. */
export function damagedSchedule(id: string): JobSchedule {
  return {
    id,
    cron: '',
    timeZone: 'UTC',
    order: { kind: 'unknown', args: {} },
    nextMs: NEVER_MS,
    lastError: {
      atMs: 0,
      code: 'internal',
      message: 'what was kept of the schedule cannot be read; put it again or remove it',
    },
    isDamaged: true,
  }
}

/** Tells of each damaged schedule once. */
export class DamageNotes {
  readonly #noted = new Set<string>()
  readonly #tell: (error: Failure) => void

  constructor(tell: (error: Failure) => void) {
    this.#tell = tell
  }

  /** @returns those that can be read */
  sound(schedules: readonly JobSchedule[]): readonly JobSchedule[] {
    const damaged = schedules.filter(({ isDamaged }) => isDamaged === true).map(({ id }) => id)
    for (const id of damaged) {
      if (!this.#noted.has(id)) {
        this.#tell(
          new Failure('internal', `the schedule "${id}" cannot be read, and never comes`, {
            hint: 'Put it again or remove it.',
          }),
        )
      }
    }
    this.#noted.clear()
    for (const id of damaged) this.#noted.add(id)
    return damaged.length === 0 ? schedules : schedules.filter(({ isDamaged }) => !isDamaged)
  }
}

/** A schedule whose time passed without a job, for a reason. */
export function passedWith(schedule: JobSchedule, error: unknown, nowMs: number): JobSchedule {
  const lastError: ScheduleError = { atMs: nowMs, ...reasonOf(error) }
  return { ...schedule, nextMs: nextOrNeverMs(schedule, nowMs), lastError }
}

/** Asks the check; what it throws is told, and refuses as well. */
export async function refusalOf(
  schedule: JobSchedule,
  check: ScheduleCheck,
  onError: (error: unknown) => void,
): Promise<unknown> {
  try {
    return await check(schedule)
  } catch (error) {
    onError(error)
    return error
  }
}
