import { Failure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import type { JobFilter } from './engine.ts'
import {
  JOB_ENDS,
  type JobCounters,
  type JobOrder,
  type JobRecord,
  type JobState,
  type JsonObject,
} from './job.ts'

/** Jobs that one answer of `list` tells of, unless the filter says otherwise. */
export const LIST_JOBS_DEFAULT = 100
export const LIST_JOBS_MAX = 1000

const ID = /^[A-Za-z0-9_-]{1,64}$/

/** What a change may touch; the order of a job stays as it was given. */
export type ChangingJob = Pick<
  JobRecord,
  'id' | 'state' | 'startedMs' | 'endedMs' | 'attempt' | 'error' | 'result'
>

/** A job as it begins. @throws Failure `argument-invalid` for an id that is none */
export function newRecord(
  order: JobOrder,
  { id, nowMs }: { readonly id: string; readonly nowMs: number },
): JobRecord {
  if (!ID.test(id)) {
    throw new Failure(
      'argument-invalid',
      `the job id "${id}" is not 1 to 64 characters of A-Z, a-z, 0-9, _ and -`,
    )
  }
  const { priority = 'normal', limits = {}, id: _asked, ...rest } = order
  return {
    ...rest,
    id,
    priority,
    limits,
    state: 'queued',
    createdMs: nowMs,
    attempt: 1,
    listing: { items: 0, bytes: 0, pages: 0, complete: false },
    counters: { done: 0, skipped: 0, failed: 0, bytes: 0 },
  }
}

/** The first step of its work begins. */
export function started<Job extends ChangingJob>(job: Job, nowMs: number): Job {
  return { ...job, state: 'running', startedMs: job.startedMs ?? nowMs }
}

/** @throws Failure `job-state-invalid` where it has ended */
export function paused<Job extends ChangingJob>(job: Job): Job {
  requireGoing(job, 'be paused')
  return { ...job, state: 'paused' }
}

/** @throws Failure `job-state-invalid` where it has ended */
export function resumed<Job extends ChangingJob>(job: Job): Job {
  requireGoing(job, 'go on')
  if (job.state !== 'paused') return job
  return { ...job, state: job.startedMs === undefined ? 'queued' : 'running' }
}

/** A new attempt; its place in the list stays. @throws Failure `job-state-invalid` */
export function retried<Job extends ChangingJob>(job: Job): Job {
  if (job.state !== 'failed' && job.state !== 'aborted') {
    throw new Failure(
      'job-state-invalid',
      `job ${job.id} is ${job.state}; only a failed or aborted one can be retried`,
    )
  }
  return {
    ...job,
    state: 'queued',
    attempt: job.attempt + 1,
    endedMs: undefined,
    error: undefined,
    result: undefined,
  }
}

export interface JobEnd {
  readonly state: 'finished' | 'failed' | 'aborted' | 'lost'
  readonly nowMs: number
  readonly error?: string | undefined
  readonly result?: JsonObject | undefined
}

export function ended<Job extends ChangingJob>(job: Job, end: JobEnd): Job {
  const { state, nowMs, error, result } = end
  return { ...job, state, endedMs: nowMs, error, result: result ?? job.result }
}

/** How a job ends whose list and pages are through: `failed` when an item did. */
export function endedByCount(failed: number): Pick<JobEnd, 'state' | 'error'> {
  if (failed === 0) return { state: 'finished' }
  return { state: 'failed', error: `${failed} ${failed === 1 ? 'item' : 'items'} failed` }
}

/** What a job says that had more failures than its limit `failuresMax` allows. */
export function tooManyFailed(failuresMax: number): string {
  return `more than ${failuresMax} ${failuresMax === 1 ? 'item' : 'items'} failed`
}

export function isEnd(state: JobState): boolean {
  return JOB_ENDS.has(state)
}

/** @throws Failure `job-state-invalid` unless the job has ended */
export function requireEnded({ id, state }: ChangingJob): void {
  if (isEnd(state)) return
  throw new Failure('job-state-invalid', `job ${id} is ${state}; abort it first`)
}

export function jobNotFound(id: string): Failure {
  return new Failure('job-not-found', `there is no job ${id}`)
}

export function addCounters(first: JobCounters, second: JobCounters): JobCounters {
  return {
    done: first.done + second.done,
    skipped: first.skipped + second.skipped,
    failed: first.failed + second.failed,
    bytes: first.bytes + second.bytes,
  }
}

/** True where the filter wants the job; `max` is not looked at. */
export function isWanted(
  job: Pick<JobRecord, 'kind' | 'state' | 'bucket'>,
  { kind, states, bucket }: JobFilter,
): boolean {
  if (kind !== undefined && job.kind !== kind) return false
  if (states !== undefined && !states.includes(job.state)) return false
  if (bucket === undefined) return true
  return job.bucket !== undefined && formatBucket(job.bucket) === bucket
}

/** Jobs to tell of: 1..1,000. */
export function listMax({ max = LIST_JOBS_DEFAULT }: JobFilter): number {
  return Math.min(LIST_JOBS_MAX, Math.max(1, Math.floor(max)))
}

function requireGoing({ id, state }: ChangingJob, what: string): void {
  if (!isEnd(state)) return
  throw new Failure('job-state-invalid', `job ${id} is ${state} and cannot ${what}`)
}
