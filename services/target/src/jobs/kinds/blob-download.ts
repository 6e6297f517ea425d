import { Failure } from '@forebay/base/failure'
import { BLOB_DOWNLOAD } from '@forebay/jobs/kinds/blob-download'
import { formatBucket } from '@forebay/model/bucket'
import { argsOf } from '../args-of.ts'
import type { KindWork } from '../kind-work.ts'
import { warmedResult } from './warmed.ts'

/** One item: the fill itself divides the object, and what a crash leaves of it is not fetched again. */
export const BLOB_DOWNLOAD_WORK: KindWork = {
  name: BLOB_DOWNLOAD.name,
  flows: true,
  list: async (context, { job, lease }) => {
    const bucket = context.bucketOf(job)
    if (bucket.backend === undefined) {
      throw new Failure(
        'bucket-not-remote',
        `${formatBucket(bucket.ref)} has no backend: its objects are here already`,
      )
    }
    const { key, latest } = argsOf(BLOB_DOWNLOAD, job)
    const head = await context.target.head({
      ...{ bucket, key, latest, conditions: {}, signal: lease.signal },
    })
    if (head.kind !== 'found') {
      throw new Failure('object-not-found', `${key} is not in ${formatBucket(bucket.ref)}`)
    }
    const items = [{ key, sizeBytes: head.attributes.sizeBytes }]
    return { pages: [{ owner: context.ownerOf(bucket, key), items }], cursor: undefined }
  },
  apply: async (context, { job, item, lease, flow }) => {
    const { latest, connections, segmentBytes } = argsOf(BLOB_DOWNLOAD, job)
    const { key } = item
    const warmed = await context.target.warm({
      bucket: context.bucketOf(job),
      ...{ key, latest, connectionsMax: connections ?? Number.POSITIVE_INFINITY, segmentBytes },
      check: () => lease.check(),
      moved: flow?.moved,
      signal: lease.signal,
    })
    return warmedResult(warmed, () => {
      throw new Failure('object-not-found', `${key} is not in the bucket any more`)
    })
  },
}
