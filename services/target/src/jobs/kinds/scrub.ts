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
  flows: true,
  list: async (context, { job }) => {
    const { prefix } = argsOf(SCRUB, job)
    if (prefix !== undefined && job.bucket === undefined) {
      throw new Failure('argument-invalid', 'a prefix needs a bucket')
    }
    const items = [{ key: 'pass' }]
    return { pages: [{ owner: context.nodeId, items }], cursor: undefined }
  },
  apply: async (context, { job, lease, flow }) => {
    const { scrub } = context.own
    lease.check()
    const goOnSinceMs = job.startedMs ?? job.createdMs
    let { pass } = scrub.start({ ...orderOf(context, job), goOnSinceMs })
    const startedMs = pass?.startedMs
    let told = pass?.bytes ?? 0
    while (pass?.state === 'running' && pass.startedMs === startedMs) {
      try {
        await context.clock.sleep(LOOK_MS, lease.signal)
        const bytes = scrub.status().pass?.bytes ?? told
        // The pass keeps to the rate by itself: this wait is none, or short.
        if (bytes > told) await flow?.moved(bytes - told)
        told = bytes
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
  const { prefix = '', ...args } = argsOf(SCRUB, job)
  const bytesPerSecond = slower(args.bytesPerSecond, job.limits.bytesPerSecond)
  if (job.bucket === undefined) return { bytesPerSecond }
  return { scope: { bucketId: context.bucketOf(job).id, prefix }, bytesPerSecond }
}

/** The lower of two rates; 0 stands for none, absent for what the settings say. */
function slower(stated: number | undefined, limit: number | undefined): number | undefined {
  if (limit === undefined) return stated
  return stated === undefined || stated === 0 ? limit : Math.min(stated, limit)
}
