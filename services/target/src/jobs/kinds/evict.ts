import { Failure } from '@forebay/base/failure'
import { EVICT } from '@forebay/jobs/kinds/evict'
import { formatBucket } from '@forebay/model/bucket'
import { argsOf } from '../args-of.ts'
import type { KindWork } from '../kind-work.ts'
import { listSelected } from '../select-items.ts'

/** Takes what is selected out of the cache; the store is not asked, and keeps it all. */
export const EVICT_WORK: KindWork = {
  name: EVICT.name,
  list: async (context, { job, cursor, lease }) => {
    const bucket = context.bucketOf(job)
    if (bucket.backend === undefined) {
      throw new Failure(
        'bucket-not-remote',
        `${formatBucket(bucket.ref)} has no backend: its objects exist only here`,
      )
    }
    const selection = argsOf(EVICT, job)
    return listSelected(context, { bucket, selection, cursor, lease, cachedOnly: true })
  },
  apply: async (context, { job, item, lease }) => {
    const existed = await context.target.evict({
      bucket: context.bucketOf(job),
      key: item.key,
      conditions: {},
      guard: { version: item.version, check: () => lease.check() },
      signal: lease.signal,
    })
    return existed
      ? { kind: 'done', bytes: item.sizeBytes ?? 0 }
      : { kind: 'skipped', why: 'absent' }
  },
}
