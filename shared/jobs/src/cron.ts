import { Failure } from '@forebay/base/failure'
import { Cron } from 'croner'
import type { JobSchedule } from './job.ts'

/** Time zone of a schedule that names none. */
export const TIME_ZONE_DEFAULT = 'UTC'

/**
 * When a schedule comes next, milliseconds since 1970.
 *
 * @param afterMs the answer is later than this
 * @throws Failure `argument-invalid` for a pattern or time zone that is none, or that never comes
 */
export function nextTimeMs(
  { cron, timeZone }: Pick<JobSchedule, 'cron' | 'timeZone'>,
  afterMs: number,
): number {
  const next = parse(cron, timeZone).nextRun(new Date(afterMs))
  if (next === null) throw new Failure('argument-invalid', `the time "${cron}" never comes`)
  return next.getTime()
}

function parse(cron: string, timezone: string): Cron {
  try {
    // The time zone is looked at only when a time is asked for.
    new Intl.DateTimeFormat('en', { timeZone: timezone })
    return new Cron(cron, { timezone, mode: '5-or-6-parts' })
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : ''
    throw new Failure('argument-invalid', `"${cron}" (${timezone}) is no time: ${why}`, { cause })
  }
}
