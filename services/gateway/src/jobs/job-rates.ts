import type { Clock } from '@forebay/base/clock'
import { JOB_ENDS, type JobRecord } from '@forebay/jobs/job'
import { type JobRate, settledItems } from './job-view.ts'

/** Time over which a rate is measured, ms: long enough to be steady, short enough to follow. */
export const RATE_WINDOW_MS = 10_000

/** Least time between two samples of one job, ms: a window holds about twenty. */
const SAMPLE_GAP_MS = 500

/** Jobs whose rate is followed at once; of more, the one that was told of longest ago is dropped. */
const JOBS_MAX = 1000

interface Sample {
  readonly atMs: number
  readonly items: number
  readonly bytes: number
}

/** Moving rates of running jobs, from what their counters were at each look. */
export class JobRates {
  readonly #clock: Clock
  /** Oldest sample first; the job that was told of last is the last one. */
  readonly #samples = new Map<string, Sample[]>()

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Takes the counters as they are now. A job that does not run has no rate, and begins anew later. */
  note(job: JobRecord): void {
    if (job.state !== 'running') {
      this.#samples.delete(job.id)
      return
    }
    const sample = { atMs: this.#clock.monotonic(), ...countsOf(job) }
    const known = this.#samples.get(job.id) ?? []
    this.#samples.delete(job.id)
    this.#samples.set(job.id, follow(known, sample))
    if (this.#samples.size <= JOBS_MAX) return
    const oldest = this.#samples.keys().next().value
    if (oldest !== undefined) this.#samples.delete(oldest)
  }

  /** @returns `undefined` for a job that does not run, or too short to tell */
  of(job: JobRecord): JobRate | undefined {
    if (job.state !== 'running' || JOB_ENDS.has(job.state)) return undefined
    const now = this.#clock.monotonic()
    const first = this.#samples.get(job.id)?.[0]
    if (first !== undefined && now - first.atMs >= SAMPLE_GAP_MS) {
      return between(first, { atMs: now, ...countsOf(job) })
    }
    return this.#sinceStart(job)
  }

  /** For a job that nobody looked at yet: over its whole life, which a pause makes too slow. */
  #sinceStart(job: JobRecord): JobRate | undefined {
    if (job.startedMs === undefined) return undefined
    const elapsedMs = this.#clock.now() - job.startedMs
    if (elapsedMs < SAMPLE_GAP_MS) return undefined
    return between({ atMs: 0, items: 0, bytes: 0 }, { atMs: elapsedMs, ...countsOf(job) })
  }
}

function follow(known: readonly Sample[], sample: Sample): Sample[] {
  const last = known.at(-1)
  // A new attempt begins with other counts than the last one ended with.
  if (last !== undefined && sample.items < last.items) return [sample]
  if (last !== undefined && sample.atMs - last.atMs < SAMPLE_GAP_MS) return [...known]
  const within = known.filter(({ atMs }) => sample.atMs - atMs <= RATE_WINDOW_MS)
  // What stood still for longer than the window is measured from its last sample on.
  return within.length === 0 && last !== undefined ? [last, sample] : [...within, sample]
}

function countsOf({ counters }: JobRecord): Omit<Sample, 'atMs'> {
  return { items: settledItems(counters), bytes: counters.bytes }
}

function between(first: Sample, last: Sample): JobRate {
  const seconds = (last.atMs - first.atMs) / 1000
  return {
    itemsPerSecond: rounded(Math.max(0, last.items - first.items) / seconds),
    bytesPerSecond: Math.round(Math.max(0, last.bytes - first.bytes) / seconds),
  }
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100
}
