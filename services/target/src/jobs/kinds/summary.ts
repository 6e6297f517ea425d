import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import type { Lease } from '@forebay/jobs/engine'
import type { JsonObject } from '@forebay/jobs/job'
import { SUMMARY } from '@forebay/jobs/kinds/summary'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { argsOf } from '../args-of.ts'
import type { JobContext, KindWork } from '../kind-work.ts'

/** Buckets in one summary; their sums are kept with the job. */
export const SUMMARY_BUCKETS_MAX = 1000

/** What is counted of a bucket. */
interface Counted {
  readonly bucket: BucketRecord
  readonly prefix: string
  readonly cachedOnly: boolean
  readonly lease: Lease
}

interface Sums {
  readonly objects: number
  readonly bytes: number
  readonly smallestBytes: number
  readonly largestBytes: number
}

/**
 * Counts by lists, of the store and of the cache, and keeps the sums alone. It has no items: what broke
 * off is counted anew, since sums of two moments would be true of neither.
 */
export const SUMMARY_WORK: KindWork = {
  name: SUMMARY.name,
  list: async (context, { job }) => {
    if (job.bucket !== undefined) context.bucketOf(job)
    return { pages: [], cursor: undefined }
  },
  apply: async () => ({ kind: 'skipped', why: 'counted at the end' }),
  end: async (context, { job, lease }) => {
    const { prefix = '', cachedOnly = false } = argsOf(SUMMARY, job)
    const wanted = { prefix, cachedOnly, lease }
    if (job.bucket !== undefined) {
      return summarise(context, { ...wanted, bucket: context.bucketOf(job) })
    }
    const buckets = context.buckets.list()
    if (buckets.length > SUMMARY_BUCKETS_MAX) {
      const message = `there are more than ${SUMMARY_BUCKETS_MAX} buckets: name one`
      throw new Failure('argument-invalid', message)
    }
    const summaries: JsonObject[] = []
    for (const bucket of buckets) {
      lease.check()
      summaries.push(await summariseQuietly(context, { ...wanted, bucket }))
    }
    return { buckets: summaries }
  },
}

/** A store that is away does not keep the others from being counted. */
async function summariseQuietly(context: JobContext, counted: Counted): Promise<JsonObject> {
  const name = formatBucket(counted.bucket.ref)
  try {
    return { bucket: name, ...(await summarise(context, counted)) }
  } catch (error) {
    if (!(error instanceof Failure) || counted.lease.signal.aborted) throw error
    return { bucket: name, error: error.message }
  }
}

async function summarise(context: JobContext, counted: Counted): Promise<JsonObject> {
  const cached = await count(context, { ...counted, cachedOnly: true })
  const isWhole = counted.bucket.backend === undefined || counted.cachedOnly
  const whole = isWhole ? cached : await count(context, { ...counted, cachedOnly: false })
  return { ...whole, cachedObjects: cached.objects, cachedBytes: cached.bytes }
}

async function count(
  context: JobContext,
  { bucket, prefix, cachedOnly, lease }: Counted,
): Promise<Sums> {
  let objects = 0
  let bytes = 0
  let smallestBytes = Number.POSITIVE_INFINITY
  let largestBytes = 0
  let token: string | undefined
  do {
    const page = await context.target.list({
      ...{ bucket, prefix, token, cachedOnly, pageMax: LIST_PAGE_MAX, signal: lease.signal },
    })
    objects += page.objects.length
    for (const { sizeBytes } of page.objects) {
      bytes += sizeBytes
      smallestBytes = Math.min(smallestBytes, sizeBytes)
      largestBytes = Math.max(largestBytes, sizeBytes)
    }
    token = page.nextToken
  } while (token !== undefined)
  return { objects, bytes, smallestBytes: objects === 0 ? 0 : smallestBytes, largestBytes }
}
