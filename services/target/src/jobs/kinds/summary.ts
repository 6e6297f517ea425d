import { LIST_PAGE_MAX } from '@forebay/base/limits'
import type { Lease } from '@forebay/jobs/engine'
import { SUMMARY } from '@forebay/jobs/kinds/summary'
import type { BucketRecord } from '@forebay/model/bucket'
import { argsOf } from '../args-of.ts'
import type { JobContext, KindWork } from '../kind-work.ts'

/** What is counted of a bucket. */
interface Counted {
  readonly bucket: BucketRecord
  readonly prefix: string
  readonly cachedOnly: boolean
  readonly lease: Lease
}

/**
 * Counts by lists, of the store and of the cache, and keeps the sums alone. It has no items: what broke
 * off is counted anew, since sums of two moments would be true of neither.
 */
export const SUMMARY_WORK: KindWork = {
  name: SUMMARY.name,
  list: async (context, { job }) => {
    context.bucketOf(job)
    return { pages: [], cursor: undefined }
  },
  apply: async () => ({ kind: 'skipped', why: 'counted at the end' }),
  end: async (context, { job, lease }) => {
    const bucket = context.bucketOf(job)
    const { prefix = '' } = argsOf(SUMMARY, job)
    const cached = await count(context, { bucket, prefix, cachedOnly: true, lease })
    const whole =
      bucket.backend === undefined
        ? cached
        : await count(context, { bucket, prefix, cachedOnly: false, lease })
    return {
      objects: whole.objects,
      bytes: whole.bytes,
      cachedObjects: cached.objects,
      cachedBytes: cached.bytes,
    }
  },
}

async function count(
  context: JobContext,
  { bucket, prefix, cachedOnly, lease }: Counted,
): Promise<{ readonly objects: number; readonly bytes: number }> {
  let objects = 0
  let bytes = 0
  let token: string | undefined
  do {
    const page = await context.target.list({
      ...{ bucket, prefix, token, cachedOnly, pageMax: LIST_PAGE_MAX, signal: lease.signal },
    })
    objects += page.objects.length
    for (const { sizeBytes } of page.objects) bytes += sizeBytes
    token = page.nextToken
  } while (token !== undefined)
  return { objects, bytes }
}
