import { isFailure } from '@forebay/base/failure'
import type { Lease } from '@forebay/jobs/engine'
import type { ItemVersion, JobItem, JobRecord } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ItemResult, JobContext } from '../kind-work.ts'

/**
 * Deletes one object, if it still is the version that was listed and was there when the job's list was
 * begun: not one that was written anew meanwhile, were it the same bytes. Of a key that was named, and
 * not listed, it is the version that is there now.
 */
export async function deleteListed(
  context: JobContext,
  work: {
    readonly job: JobRecord
    readonly bucket: BucketRecord
    readonly item: JobItem
    readonly lease: Lease
  },
): Promise<ItemResult> {
  const { job, bucket, item, lease } = work
  const { key } = item
  const version = item.version ?? (await versionNow(context, work))
  if (version === undefined) return { kind: 'skipped', why: 'absent' }
  try {
    const { existed } = await context.target.delete({
      bucket,
      key,
      conditions: {},
      guard: { version, beforeMs: beganMs(job), check: () => lease.check() },
      signal: lease.signal,
    })
    return existed === false ? { kind: 'skipped', why: 'absent' } : { kind: 'done', bytes: 0 }
  } catch (error) {
    if (isFailure(error, 'object-not-found')) return { kind: 'skipped', why: 'absent' }
    if (isFailure(error, 'precondition-failed')) return { kind: 'skipped', why: 'changed' }
    throw error
  }
}

/** When the list was begun, ms: what changed after it is not what was meant. */
export function beganMs({ startedMs, createdMs }: JobRecord): number {
  return startedMs ?? createdMs
}

async function versionNow(
  { target }: JobContext,
  work: { readonly bucket: BucketRecord; readonly item: JobItem; readonly lease: Lease },
): Promise<ItemVersion | undefined> {
  const { bucket, item, lease } = work
  const address = { bucket, key: item.key, conditions: {}, signal: lease.signal }
  const head = await target.head({ ...address, latest: true })
  return head.kind === 'found' ? head.attributes : undefined
}
