import type {
  JobCounters,
  JobLimits,
  JobListing,
  JobPriority,
  JobRecord,
  JobSchedule,
  JobState,
  Json,
  JsonObject,
} from '@forebay/jobs/job'
import { JOB_ENDS } from '@forebay/jobs/job'
import { jobKind } from '@forebay/jobs/kinds/catalogue'
import { NEVER_MS } from '@forebay/jobs/schedule'
import { formatBucket } from '@forebay/model/bucket'

/** Entries of a list among the arguments that a view in a row of views shows. */
export const ARGS_SHOWN_MAX = 20

/** Characters of one text there, or of one entry. */
const TEXT_SHOWN_MAX = 1024

/** How fast a job is, over the last seconds. */
export interface JobRate {
  readonly itemsPerSecond: number
  readonly bytesPerSecond: number
}

/** A job as the door tells of it. Times are ISO 8601. */
export interface JobView {
  readonly id: string
  readonly kind: string
  /** `provider://name` */
  readonly bucket: string | null
  readonly args: JsonObject
  readonly description: string | null
  readonly user: string | null
  readonly priority: JobPriority
  readonly limits: JobLimits
  readonly state: JobState
  readonly created: string
  readonly started: string | null
  readonly ended: string | null
  readonly attempt: number
  readonly listing: JobListing
  readonly counters: JobCounters
  /** While it runs. */
  readonly rate: JobRate | null
  /** Once everything is listed and the rate is known. */
  readonly remainingSeconds: number | null
  readonly error: string | null
  readonly result: JsonObject | null
  /** Id of the schedule that asked for it. */
  readonly schedule: string | null
  /** Long lists and texts in `args` are cut. */
  readonly argsShortened?: true
}

export interface ScheduleView {
  readonly id: string
  readonly cron: string
  readonly timeZone: string
  readonly order: {
    readonly kind: string
    readonly bucket: string | null
    readonly args: JsonObject
    readonly description: string | null
    readonly user: string | null
    readonly priority: JobPriority
    readonly limits: JobLimits
  }
  /** Null for one that never comes. */
  readonly next: string | null
  /** Id of the job that it ordered last. */
  readonly lastJob: string | null
  /** Why the last time passed without a job. */
  readonly lastError: {
    readonly time: string | null
    readonly code: string
    readonly message: string
  } | null
}

export function viewJob(job: ShortJob, rate: JobRate | undefined): JobView {
  const { id, kind, args, priority, limits, state, attempt, listing, counters } = job
  const moves = state === 'running' ? rate : undefined
  return {
    id,
    kind,
    bucket: job.bucket === undefined ? null : formatBucket(job.bucket),
    args: shownArgs(kind, args),
    description: job.description ?? null,
    user: job.user ?? null,
    priority,
    limits,
    state,
    created: timeOf(job.createdMs),
    started: job.startedMs === undefined ? null : timeOf(job.startedMs),
    ended: job.endedMs === undefined ? null : timeOf(job.endedMs),
    attempt,
    listing,
    counters,
    rate: moves ?? null,
    remainingSeconds: remainingSeconds(job, moves) ?? null,
    error: job.error ?? null,
    result: job.result ?? null,
    schedule: job.scheduleId ?? null,
    ...(job.argsShortened === true ? { argsShortened: true } : {}),
  }
}

/** A job whose arguments may be cut, because they are large and it stands among others. */
export type ShortJob = JobRecord & { readonly argsShortened?: true }

/** Of long lists and texts in the arguments only the beginning. */
export function shortenJob(job: JobRecord): ShortJob {
  const args = shortenArgs(job.args)
  return args === job.args ? job : { ...job, args, argsShortened: true }
}

export function viewSchedule(schedule: JobSchedule): ScheduleView {
  const { id, cron, timeZone, order, nextMs, lastJobId, lastError } = schedule
  return {
    id,
    cron,
    timeZone,
    order: {
      kind: order.kind,
      bucket: order.bucket === undefined ? null : formatBucket(order.bucket),
      args: shortenArgs(shownArgs(order.kind, order.args)),
      description: order.description ?? null,
      user: order.user ?? null,
      priority: order.priority ?? 'normal',
      limits: order.limits ?? {},
    },
    next: nextMs === NEVER_MS ? null : timeOf(nextMs),
    lastJob: lastJobId ?? null,
    lastError:
      lastError === undefined
        ? null
        : {
            time: schedule.isDamaged === true ? null : timeOf(lastError.atMs),
            code: lastError.code,
            message: lastError.message,
          },
  }
}

/** Items that have ended, however. */
export function settledItems({ done, skipped, failed }: JobCounters): number {
  return done + skipped + failed
}

function remainingSeconds(job: JobRecord, rate: JobRate | undefined): number | undefined {
  const { listing, counters, state } = job
  if (JOB_ENDS.has(state) || !listing.complete) return undefined
  if (rate === undefined) return undefined
  if (rate.itemsPerSecond <= 0) {
    // Of large objects none may end for long: the bytes that were listed tell.
    const leftBytes = listing.bytes - counters.bytes
    return rate.bytesPerSecond > 0 && leftBytes > 0
      ? Math.ceil(leftBytes / rate.bytesPerSecond)
      : undefined
  }
  const left = Math.max(0, listing.items - settledItems(counters))
  return Math.ceil(left / rate.itemsPerSecond)
}

/** What may be seen by whoever sees the job: kinds may have secrets among their arguments. */
function shownArgs(kind: string, args: JsonObject): JsonObject {
  return jobKind(kind)?.shown?.(args) ?? args
}

function shortenArgs(args: JsonObject): JsonObject {
  const short = Object.entries(args).map(([name, value]) => [name, shorten(value)] as const)
  return short.every(([name, value]) => value === args[name]) ? args : Object.fromEntries(short)
}

/** The value itself where nothing is cut. */
function shorten(value: Json): Json {
  if (typeof value === 'string') return shortenText(value)
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) {
    const shown = value.slice(0, ARGS_SHOWN_MAX).map(shorten)
    return isSame(shown, value) ? value : shown
  }
  const shown = Object.entries(value)
    .slice(0, ARGS_SHOWN_MAX)
    .map(([name, inner]) => [shortenText(name), shorten(inner)] as const)
  return isSame(shown.flat(), Object.entries(value).flat()) ? value : Object.fromEntries(shown)
}

function shortenText(text: string): string {
  return text.length > TEXT_SHOWN_MAX ? `${text.slice(0, TEXT_SHOWN_MAX)}…` : text
}

function isSame(first: readonly Json[], second: readonly Json[]): boolean {
  return first.length === second.length && first.every((value, at) => value === second[at])
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString()
}
