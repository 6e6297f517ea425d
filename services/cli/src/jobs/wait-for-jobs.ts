import { setTimeout as sleep } from 'node:timers/promises'
import { ForebayError } from '@forebay/client/forebay-error'
import type { JobReport } from '@forebay/client/jobs'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { EXIT_CODES } from '../exit-code.ts'
import { formatPairs } from '../output/table.ts'
import { JobLines } from './job-lines.ts'
import { adviceText, endText, hasEnded, resultPairs } from './job-text.ts'

/** How long a node that does not answer is waited for, ms: it may be restarting. */
const SILENCE_MS = 120_000

/** Time between two attempts to reach it, ms. */
const RETRY_MS = 1000

/**
 * Waits until jobs have ended, and tells how far they are. A node that restarts meanwhile is waited for.
 *
 * @returns the exit code: 1 unless every job finished
 */
export async function waitForJobs(run: Run, ids: readonly string[]): Promise<number> {
  const lines = new JobLines(run)
  const { signal } = run.context
  const stop = new AbortController()
  try {
    const waits = ids.map((id) => waitForOne(run, { id, lines, stop: stop.signal }))
    const jobs = await Promise.all(waits)
    return jobs.every(({ state }) => state === 'finished') ? EXIT_CODES.ok : EXIT_CODES.failed
  } catch (error) {
    if (signal.aborted) tellInterrupted(run, lines, ids)
    throw error
  } finally {
    stop.abort()
    lines.clear()
  }
}

interface Wait {
  readonly id: string
  readonly lines: JobLines
  readonly stop: AbortSignal
}

async function waitForOne(run: Run, { id, lines, stop }: Wait): Promise<JobReport> {
  const signal = AbortSignal.any([run.context.signal, stop])
  const { jobs } = clientOf(run)
  let answeredMs = performance.now()
  for (;;) {
    try {
      for await (const job of jobs.follow(id, { signal })) {
        answeredMs = performance.now()
        if (hasEnded(job)) return tellEnd(run, job, lines)
        lines.show(job)
      }
      // The stream ended before the job did: the node stops, or the job is no more.
      const job = await jobs.get(id, { signal })
      answeredMs = performance.now()
      if (hasEnded(job)) return tellEnd(run, job, lines)
    } catch (error) {
      const isPassing = error instanceof ForebayError && error.retryable
      if (!isPassing || performance.now() - answeredMs > SILENCE_MS) throw error
    }
    await sleep(RETRY_MS, undefined, { signal })
  }
}

function tellEnd(run: Run, job: JobReport, lines: JobLines): JobReport {
  lines.drop(job.id)
  if (run.options.json === true) print(run, JSON.stringify(job.raw))
  else if (job.state === 'finished') {
    note(run, endText(job))
    for (const line of formatPairs(resultPairs(job))) print(run, line)
  } else {
    // As any error: told even where no notes are wanted.
    for (const line of [endText(job), ...adviceText(job)]) run.context.stderr.write(`${line}\n`)
  }
  return job
}

function tellInterrupted(run: Run, lines: JobLines, ids: readonly string[]): void {
  lines.clear()
  const [what, goes] = ids.length === 1 ? ['The job', 'goes'] : ['The jobs', 'go']
  const words = ids.join(' ')
  note(run, `${what} ${goes} on: "forebay job wait ${words}" waits again,`)
  note(run, `"forebay job stop ${words}" ends ${ids.length === 1 ? 'it' : 'them'}.`)
}
