import { Failure } from '@forebay/base/failure'
import type { JobRecord } from '@forebay/jobs/job'
import { SCRUB } from '@forebay/jobs/kinds/scrub'
import type { ScrubOrder, ScrubPass } from '@forebay/peer/scrub-port'
import { argsOf } from '../args-of.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'

/** How often it is looked whether the pass is over, ms. */
const LOOK_MS = 200

/**
 * A pass of the node's scrubber as a job: one item, for there is one pass at a time. A paused or
 * interrupted job goes on where the pass was.
 */
export const SCRUB_WORK: KindWork = {
  name: SCRUB.name,
  list: async (context, { job }) => {
    const { prefix } = argsOf(SCRUB, job)
    if (prefix !== undefined && job.bucket === undefined) {
      throw new Failure('argument-invalid', 'a prefix needs a bucket')
    }
    const items = [{ key: 'pass' }]
    return { pages: [{ owner: context.nodeId, items }], cursor: undefined }
  },
  apply: async (context, { job, lease }) => {
    const { scrub } = context.own
    lease.check()
    const goOnSinceMs = job.startedMs ?? job.createdMs
    let { pass } = scrub.start({ ...orderOf(context, job), goOnSinceMs })
    const startedMs = pass?.startedMs
    while (pass?.state === 'running' && pass.startedMs === startedMs) {
      try {
        await context.clock.sleep(LOOK_MS, lease.signal)
      } catch (error) {
        await scrub.hold()
        throw error
      }
      pass = scrub.status().pass
    }
    return resultOf(pass, startedMs)
  },
  end: async (context) => {
    const { pass, findings } = context.own.scrub.status()
    if (pass === undefined) return undefined
    const { objects, bytes, damaged, repaired, adopted, unchecked, orphans } = pass
    const counts = { objects, bytes, damaged, repaired, adopted, unchecked, orphans }
    return { ...counts, findingsKept: findings.length }
  },
}

function resultOf(pass: ScrubPass | undefined, startedMs: number | undefined): ItemResult {
  if (pass?.startedMs !== startedMs || pass?.state !== 'finished') {
    throw new Failure('job-state-invalid', 'the scrub was ended before it had read everything')
  }
  return { kind: 'done', bytes: pass.bytes }
}

function orderOf(context: JobContext, job: JobRecord): ScrubOrder {
  const { prefix = '', bytesPerSecond } = argsOf(SCRUB, job)
  if (job.bucket === undefined) return { bytesPerSecond }
  return { scope: { bucketId: context.bucketOf(job).id, prefix }, bytesPerSecond }
}
