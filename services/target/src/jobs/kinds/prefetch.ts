import { Failure } from '@forebay/base/failure'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { PREFETCH } from '@forebay/jobs/kinds/prefetch'
import { formatBucket } from '@forebay/model/bucket'
import { argsOf } from '../args-of.ts'
import type { KindWork } from '../kind-work.ts'
import { listSelected, namesKeys } from '../select-items.ts'
import { warmedResult } from './warmed.ts'

/** Smaller objects are told of when they are there: nobody sees them come. */
const TOLD_BYTES_MIN = 4 * 1024 ** 2

/**
 * Brings what is selected into the cache: each object is read once at the store, whatever is cached and
 * current is skipped, and what is there in parts is completed.
 */
export const PREFETCH_WORK: KindWork = {
  name: PREFETCH.name,
  flows: true,
  list: async (context, { job, cursor, lease }) => {
    const bucket = context.bucketOf(job)
    if (bucket.backend === undefined) {
      throw new Failure(
        'bucket-not-remote',
        `${formatBucket(bucket.ref)} has no backend: its objects are here already`,
      )
    }
    return listSelected(context, { bucket, selection: argsOf(PREFETCH, job), cursor, lease })
  },
  apply: async (context, { job, item, lease, flow }) => {
    const args = argsOf(PREFETCH, job)
    const { key, version, sizeBytes } = item
    const warmed = await context.target.warm({
      bucket: context.bucketOf(job),
      key,
      listed: version && { etag: version.etag, sizeBytes },
      latest: args.latest,
      verify: args.verify,
      check: () => lease.check(),
      moved: isTold(job, item) ? flow?.moved : undefined,
      signal: lease.signal,
    })
    return warmedResult(warmed, () => {
      // Who named it wants to know; a template names what may be there, a list what was.
      if (namesKeys(args)) throw new Failure('object-not-found', `${key} is not in the bucket`)
      return { kind: 'skipped', why: 'absent' }
    })
  },
}

function isTold({ limits }: JobRecord, { sizeBytes = TOLD_BYTES_MIN }: JobItem): boolean {
  return limits.bytesPerSecond !== undefined || sizeBytes >= TOLD_BYTES_MIN
}
