import { type CliContext, clientOf } from '../cli-context.ts'
import { hasEnded } from '../jobs/job-text.ts'
import type { Candidate } from './complete.ts'
import { ask } from './complete-url.ts'

/** Words that a node knows: ids of jobs (all, those under way, those that ended), kinds, schedules. */
export type JobWord = 'job' | 'open-job' | 'ended-job' | 'job-kind' | 'schedule'

/** Candidates of one answer; a screen holds fewer. */
const JOBS_MAX = 200

/** What a running node answers; nothing when it does not in time. */
export function completeJob(
  word: JobWord,
  place: { readonly context: CliContext; readonly endpoint: string | undefined },
): Promise<readonly Candidate[]> {
  const { context, endpoint } = place
  const { jobs } = clientOf({ context, options: { endpoint } })
  return ask(place, async (signal) => {
    if (word === 'job-kind') {
      const kinds = await jobs.kinds({ signal })
      return kinds.map(({ name, doc }) => ({ value: name, description: doc }))
    }
    if (word === 'schedule') {
      const schedules = await jobs.schedules({ signal })
      return schedules.map(({ id, cron, kind }) => ({ value: id, description: `${cron} ${kind}` }))
    }
    const known = await jobs.list({ max: JOBS_MAX, signal })
    return known
      .filter((job) => word === 'job' || hasEnded(job) === (word === 'ended-job'))
      .map(({ id, kind, bucket, state }) => ({
        value: id,
        description: [kind, ...(bucket === undefined ? [] : [bucket]), state].join(' '),
      }))
  })
}
