import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { RENAME_BUCKET } from '@forebay/jobs/kinds/rename-bucket'
import { type BucketRef, formatBucket } from '@forebay/model/bucket'
import { parseBucketUrl } from '@forebay/wire/bucket'
import type { KindWork } from '../kind-work.ts'

/** One item, the bucket itself: by its id, which stays, so a second time finds it renamed. */
export const RENAME_BUCKET_WORK: KindWork = {
  name: 'rename-bucket',
  list: async (context, { job, cursor }) => {
    if (cursor !== undefined) return { pages: [], cursor: undefined }
    const { id, ref, backend } = context.bucketOf(job)
    if (backend !== undefined) {
      throw new Failure('argument-invalid', `${formatBucket(ref)} has its name from its store`)
    }
    const item: JobItem = { key: formatBucket(newRef(job)), extra: { id } }
    return { pages: [{ owner: context.nodeId, items: [item] }], cursor: undefined }
  },
  apply: async (context, { job, item, lease }) => {
    const id = item.extra?.['id']
    if (typeof id !== 'number') throw new Failure('argument-invalid', 'the item names no bucket')
    const ref = newRef(job)
    if (context.buckets.find(ref)?.id === id) return { kind: 'skipped', why: 'renamed' }
    lease.check()
    await context.buckets.rename(id, ref)
    return { kind: 'done', bytes: 0 }
  },
}

/** @throws Failure `argument-invalid` | `bucket-name-invalid` */
function newRef(job: JobRecord): BucketRef {
  const { to } = checkSchema(RENAME_BUCKET.args, job.args, 'args')
  const { provider = 'ais', namespace, name } = parseBucketUrl(to)
  if (provider === 'ais') return { provider, namespace, name }
  throw new Failure('argument-invalid', `${to} is no native bucket: they read ais://name`)
}
