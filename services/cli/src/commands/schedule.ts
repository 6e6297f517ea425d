import { clientOf, note, print, type Run } from '../cli-context.ts'
import { formatTable, printable } from '../output/table.ts'
import { timeText } from '../output/values.ts'
import { readOrder, type StartOptions } from './job-start.ts'

export interface ScheduleOptions extends StartOptions {
  readonly timeZone?: string | undefined
}

/** `forebay job schedule ls`: jobs that come by the clock. */
export async function listSchedules(run: Run): Promise<void> {
  const schedules = await clientOf(run).jobs.schedules({ signal: run.context.signal })
  if (run.options.json === true) {
    for (const { raw } of schedules) print(run, JSON.stringify(raw))
    return
  }
  const columns = ['ID', 'CRON', 'ZONE', 'KIND', 'BUCKET', 'NEXT', 'LAST JOB', 'REFUSED']
  const rows = schedules.map(({ id, cron, timeZone, kind, bucket, next, lastJob, lastError }) => [
    ...[id, cron, timeZone, kind, bucket ?? '-', timeText(next), lastJob ?? '-'],
    lastError === undefined ? '' : `${timeText(lastError.time)} ${lastError.message}`,
  ])
  const heads = columns.map((head) => ({ head }))
  for (const line of formatTable(heads, rows)) print(run, line)
}

/** `forebay job schedule put ID CRON KIND [BUCKET]`: replaces one of the same id. */
export async function putSchedule(
  run: Run,
  words: {
    readonly id: string
    readonly cron: string
    readonly kind: string
    readonly bucket: string | undefined
  },
  options: ScheduleOptions,
): Promise<void> {
  const { id, cron, kind, bucket } = words
  const order = await readOrder(run, { kind, bucket }, options)
  const { timeZone } = options
  const { signal } = run.context
  const schedule = await clientOf(run).jobs.putSchedule(id, { cron, timeZone, order }, { signal })
  if (run.options.json === true) print(run, JSON.stringify(schedule.raw))
  else note(run, `${id}: ${kind} comes next at ${timeText(schedule.next)} UTC`)
}

/** `forebay job schedule rm ID...`. */
export async function removeSchedules(run: Run, ids: readonly string[]): Promise<void> {
  const { jobs } = clientOf(run)
  for (const id of ids) {
    await jobs.removeSchedule(id, { signal: run.context.signal })
    if (run.options.json === true) print(run, JSON.stringify({ id, done: 'removed' }))
    else note(run, `${printable(id)}: comes no more`)
  }
}
