import { JOB_END_STATES, type JobEvent, type JobReport } from '@forebay/client/jobs'

/** Jobs that the page holds; of more, those ordered longest ago are left out. */
export const JOBS_SHOWN_MAX = 500

/** Jobs as the page knows them, by id. */
export type JobBoard = ReadonlyMap<string, JobReport>

export const NO_JOBS: JobBoard = new Map()

/** The board after an event of the stream. */
export function withEvent(board: JobBoard, event: JobEvent): JobBoard {
  if (event.kind === 'open') return board
  const next = new Map(board)
  if (event.kind === 'removed') next.delete(event.id)
  else next.set(event.job.id, event.job)
  return bounded(next)
}

/** The board with jobs of a list; what came from the stream meanwhile is newer and stays. */
export function withList(board: JobBoard, jobs: readonly JobReport[]): JobBoard {
  return bounded(new Map([...jobs.map((job) => [job.id, job] as const), ...board]))
}

/** Jobs in a state (all with ''), newest first. */
export function jobsIn(board: JobBoard, state: string): readonly JobReport[] {
  const jobs = [...board.values()].filter((job) => state === '' || job.state === state)
  return jobs.toSorted((one, other) => (other.created ?? '').localeCompare(one.created ?? ''))
}

export function hasEnded({ state }: JobReport): boolean {
  return JOB_END_STATES.has(state)
}

/** Items that have ended, however. */
export function settledItems({ counters }: JobReport): number {
  return counters.done + counters.skipped + counters.failed
}

/** How much is done, 0..1; undefined while the list is not complete. */
export function shareOf(job: JobReport): number | undefined {
  const { items, bytes, complete } = job.listing
  if (!complete) return undefined
  // A single object is as far as its bytes are.
  if (items === 1 && settledItems(job) === 0 && bytes > 0) {
    return Math.min(1, job.counters.bytes / bytes)
  }
  return items === 0 ? 1 : Math.min(1, settledItems(job) / items)
}

/** What can be done with a job in its state. */
export function actionsOf(job: JobReport): readonly JobAction[] {
  switch (job.state) {
    case 'queued':
    case 'running':
      return ['pause', 'abort']
    case 'paused':
      return ['resume', 'abort']
    case 'failed':
    case 'aborted':
      return ['retry', 'remove']
    default:
      return ['remove']
  }
}

export type JobAction = 'pause' | 'resume' | 'retry' | 'abort' | 'remove'

function bounded(board: Map<string, JobReport>): JobBoard {
  if (board.size <= JOBS_SHOWN_MAX) return board
  const newest = jobsIn(board, '').slice(0, JOBS_SHOWN_MAX)
  return new Map(newest.map((job) => [job.id, job]))
}
