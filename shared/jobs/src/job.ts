import type { FailureCode } from '@forebay/base/failure'
import type { BucketRef } from '@forebay/model/bucket'

/** What can be stored and sent as it is. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json }

export type JsonObject = { readonly [name: string]: Json }

/**
 * `queued`: nothing was done yet. `running`: it is being listed or worked on. `paused`: it keeps its
 * place and does nothing. The others are ends: `finished` did everything, `failed` left something
 * undone (`error`, or `counters.failed` items that `retry` takes up again), `aborted` was told to stop,
 * `lost`: the engine forgot it, and this is what a node remembers.
 */
export const JOB_STATES = [
  'queued',
  'running',
  'paused',
  'finished',
  'failed',
  'aborted',
  'lost',
] as const

export type JobState = (typeof JOB_STATES)[number]

/** States that a job does not leave by itself; `retry` leads out of `failed` and `aborted`. */
export const JOB_ENDS: ReadonlySet<JobState> = new Set(['finished', 'failed', 'aborted', 'lost'])

export type JobPriority = 'low' | 'normal' | 'high'

/** Bounds that the user sets; absent: none but the node's own. */
export interface JobLimits {
  /** Items at once on one node. */
  readonly concurrency?: number | undefined
  /** Items begun in a second, on all nodes together. */
  readonly itemsPerSecond?: number | undefined
  /** Bytes moved in a second, on all nodes together. */
  readonly bytesPerSecond?: number | undefined
  /** The job ends when more items than this failed; absent: it goes on whatever fails. */
  readonly failuresMax?: number | undefined
}

/** Items by how they ended; none is counted twice, however often it was delivered. */
export interface JobCounters {
  readonly done: number
  /** Needed nothing: it was there already, or it is no longer what was listed. */
  readonly skipped: number
  readonly failed: number
  /** Bytes that `done` items moved, and those under way so far. */
  readonly bytes: number
}

/** How far the list of what is to be done is known. */
export interface JobListing {
  readonly items: number
  /** Bytes of the items whose size the list told. */
  readonly bytes: number
  readonly pages: number
  /** Everything is listed: `items` and `bytes` are totals. */
  readonly complete: boolean
}

/** What a user asks for, checked: the arguments are what the kind's schema wants. */
export interface JobOrder {
  readonly kind: string
  /** Absent for kinds that concern the node. */
  readonly bucket?: BucketRef | undefined
  readonly args: JsonObject
  readonly description?: string | undefined
  /** Id of the user who asked; absent in open mode. */
  readonly user?: string | undefined
  readonly priority?: JobPriority | undefined
  readonly limits?: JobLimits | undefined
  /** Of the schedule that asked. */
  readonly scheduleId?: string | undefined
  /** Taken as the id where it is free: a second order of the same id is the first one. */
  readonly id?: string | undefined
}

/** A job as an engine keeps it. Times are milliseconds since 1970. */
export interface JobRecord {
  /** 1..64 of `[A-Za-z0-9_-]`. */
  readonly id: string
  readonly kind: string
  readonly bucket?: BucketRef | undefined
  readonly args: JsonObject
  readonly description?: string | undefined
  readonly user?: string | undefined
  readonly priority: JobPriority
  readonly limits: JobLimits
  readonly scheduleId?: string | undefined
  readonly state: JobState
  readonly createdMs: number
  /** When its list was begun: what changed after it is not what was meant. */
  readonly startedMs?: number | undefined
  readonly endedMs?: number | undefined
  /** 1, and one more for each `retry`. */
  readonly attempt: number
  readonly listing: JobListing
  readonly counters: JobCounters
  /** Why it failed, was aborted or is lost: one sentence. */
  readonly error?: string | undefined
  /** What the kind tells at its end: totals, names of what was made. */
  readonly result?: JsonObject | undefined
}

/** The version of an object that a list told of; what is not it any more is left alone. */
export interface ItemVersion {
  readonly etag: string
  readonly lastModifiedMs: number
}

/** One thing to be done. `key` is unique within a page. */
export interface JobItem {
  readonly key: string
  readonly version?: ItemVersion | undefined
  readonly sizeBytes?: number | undefined
  /** What else the kind needs to know: a URL, a destination. */
  readonly extra?: JsonObject | undefined
}

/** Why an item was not done. */
export interface ItemFailure {
  readonly key: string
  readonly code: FailureCode
  /** One sentence, without secrets. */
  readonly message: string
  /** The item as it was, so that it can be tried again alone. */
  readonly item: JobItem
}

/** What became of the items of a page, so far or finally. */
export interface PageOutcome {
  /** Positions (0-based, in the page) of the items that are settled, ascending. */
  readonly settled: readonly number[]
  readonly done: number
  readonly skipped: number
  readonly bytes: number
  /** Of `bytes` those of items that are not settled yet: a later delivery moves them again. */
  readonly underWayBytes?: number | undefined
  readonly failures: readonly ItemFailure[]
  /**
   * Only of a page that is done: why no other item of the job would fare better (no room, no bucket).
   * The job ends as `failed` with this sentence, as it does when `failuresMax` is passed.
   */
  readonly endsJob?: string | undefined
}

/** Items of one page of the list that one node is to do. */
export interface JobPage {
  readonly jobId: string
  /** 0-based, in the order of the list; with the attempt it names the page for ever. */
  readonly number: number
  readonly attempt: number
  /** Node id. */
  readonly owner: string
  /** 1..1,000. */
  readonly items: readonly JobItem[]
}

/** Why a time of a schedule passed without a job. */
export interface ScheduleError {
  /** When it was due, and tried. */
  readonly atMs: number
  /** Of the catalogue. */
  readonly code: string
  /** One sentence, without secrets. */
  readonly message: string
}

/** Jobs that come by the clock, one at a time: a time before the end of the last job passes. */
export interface JobSchedule {
  readonly id: string
  /** Five or six fields of cron; the six begin with seconds. */
  readonly cron: string
  /** IANA name; UTC by default. */
  readonly timeZone: string
  readonly order: JobOrder
  readonly nextMs: number
  readonly lastJobId?: string | undefined
  /** Of the last time that was tried; absent when that made a job. */
  readonly lastError?: ScheduleError | undefined
  /** What was kept of it cannot be read: it never comes, and may be replaced or removed. */
  readonly isDamaged?: true | undefined
}

/** A schedule as it is put. */
export type NewSchedule = Pick<JobSchedule, 'id' | 'cron' | 'timeZone' | 'order'>
