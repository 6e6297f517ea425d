import type { JobFailureReport, JobReport } from '@forebay/client/jobs'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { EXIT_CODES, usageError } from '../exit-code.ts'
import { countText, hasEnded, jobPairs, settledItems } from '../jobs/job-text.ts'
import { waitForJobs } from '../jobs/wait-for-jobs.ts'
import { type Column, formatPairs, formatTable, printable } from '../output/table.ts'
import { sizeText, timeText } from '../output/values.ts'

/** Jobs of one answer, the most that a node gives. */
const JOBS_MAX = 1000

/** Failures that are asked for at once. */
const FAILURES_PAGE = 1000

export interface ListJobsOptions {
  readonly kind?: string | undefined
  readonly state?: string | undefined
  readonly bucket?: string | undefined
  readonly max?: string | undefined
}

const COLUMNS: readonly Column[] = [
  { head: 'ID' },
  { head: 'KIND' },
  { head: 'BUCKET' },
  { head: 'STATE' },
  { head: 'OBJECTS', right: true },
  { head: 'LISTED', right: true },
  { head: 'FAILED', right: true },
  { head: 'BYTES', right: true },
  { head: 'ORDERED' },
]

/** `forebay job ls`: newest first. */
export async function listJobs(run: Run, options: ListJobsOptions): Promise<void> {
  const { kind, state, bucket } = options
  const max = readMax(options.max)
  const { signal } = run.context
  const jobs = await clientOf(run).jobs.list({ kind, state, bucket, max, signal })
  if (run.options.json === true) {
    for (const job of jobs) print(run, JSON.stringify(job.raw))
    return
  }
  for (const line of formatTable(COLUMNS, jobs.map(cellsOf))) print(run, line)
}

/** `forebay job show ID`. */
export async function showJob(run: Run, id: string): Promise<void> {
  const job = await clientOf(run).jobs.get(id, { signal: run.context.signal })
  if (run.options.json === true) print(run, JSON.stringify(job.raw))
  else for (const line of formatPairs(jobPairs(job))) print(run, line)
}

/** `forebay job stop | pause | resume ID...`. */
export async function changeJobs(
  run: Run,
  action: 'pause' | 'resume' | 'abort',
  ids: readonly string[],
): Promise<void> {
  const { jobs } = clientOf(run)
  for (const id of ids) {
    const job = await jobs.change(id, action, { signal: run.context.signal })
    if (run.options.json === true) print(run, JSON.stringify(job.raw))
    else note(run, `${job.kind} ${job.id} is ${job.state}`)
  }
}

/** `forebay job retry ID`: what failed, and that alone. @returns the exit code */
export async function retryJob(
  run: Run,
  id: string,
  { wait }: { readonly wait?: boolean | undefined },
): Promise<number> {
  const job = await clientOf(run).jobs.change(id, 'retry', { signal: run.context.signal })
  if (wait === true) return waitForJobs(run, [id])
  if (run.options.json === true) print(run, JSON.stringify(job.raw))
  else note(run, `${job.kind} ${job.id} is ${job.state}, attempt ${job.attempt}`)
  return EXIT_CODES.ok
}

/** `forebay job rm ID...`: forgets jobs that have ended. */
export async function removeJobs(run: Run, ids: readonly string[]): Promise<void> {
  const { jobs } = clientOf(run)
  for (const id of ids) {
    await jobs.remove(id, { signal: run.context.signal })
    if (run.options.json === true) print(run, JSON.stringify({ id, done: 'removed' }))
    else note(run, `${id}: forgotten`)
  }
}

/** `forebay job failures ID`: every object that failed, and why. */
export async function showFailures(
  run: Run,
  id: string,
  options: { readonly max?: string | undefined },
): Promise<void> {
  const { jobs } = clientOf(run)
  const { signal } = run.context
  let left = readCount(options.max) ?? Number.POSITIVE_INFINITY
  let after: string | undefined
  do {
    const page = await jobs.failures(id, { after, max: Math.min(left, FAILURES_PAGE), signal })
    for (const failure of page.failures) print(run, failureLine(run, failure))
    left -= page.failures.length
    after = page.next
  } while (after !== undefined && left > 0)
  if (after !== undefined) note(run, 'There are more; --max shows fewer or more of them.')
}

function cellsOf(job: JobReport): readonly string[] {
  const { listing, counters } = job
  return [
    job.id,
    job.kind,
    job.bucket ?? '-',
    job.state,
    countText(settledItems(job)),
    `${countText(listing.items)}${listing.complete || hasEnded(job) ? '' : '+'}`,
    countText(counters.failed),
    sizeText(counters.bytes),
    timeText(job.created),
  ]
}

/** The key first: what follows it has no tabulator. */
function failureLine(run: Run, failure: JobFailureReport): string {
  if (run.options.json === true) return JSON.stringify(failure)
  return [failure.key, failure.code, failure.message].map(printable).join('\t')
}

function readMax(text: string | undefined): number | undefined {
  const max = readCount(text)
  if (max === undefined || max <= JOBS_MAX) return max
  throw usageError(`--max ${max} is too much`, `At most ${JOBS_MAX} jobs are kept in an answer.`)
}

function readCount(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text)
  throw usageError(`"${text}" is no number`, 'Write a whole number from 1 on.')
}
