import { Failure, isFailure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { COPY_OPTIONS_SCHEMA } from '@forebay/jobs/kinds/copy-options'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Conditions } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Guard, HeadAnswer, ObjectAddress } from '@forebay/peer/target-port'
import { findBucket } from '../destination.ts'
import type { ItemResult, JobContext } from '../kind-work.ts'
import { beganMs } from './delete-listed.ts'
import { type ListedVersion, versionThere } from './destination-versions.ts'
import { sameContent } from './same-content.ts'

/** How often an object is tried that changes again and again, here or there. */
const TRIES_MAX = 3

interface Work {
  readonly job: JobRecord
  readonly item: JobItem
  readonly lease: Lease
}

/** An object in one version, and what was in its place when the list was made, where that is known. */
interface Copied {
  readonly version: ListedVersion
  readonly there: ListedVersion | 'absent' | undefined
}

/**
 * Copies one object in the version that was listed. The destination is overwritten only if it was there
 * when the job's list was begun and has not changed since; what a user writes meanwhile stays.
 */
export async function copyItem(context: JobContext, work: Work): Promise<ItemResult> {
  const { job, item } = work
  const { latest, keyTo } = checkSchema(COPY_OPTIONS_SCHEMA, job.args, 'args')
  let version = listedVersion(item) ?? (await sourceVersion(context, work, latest))
  let there = versionThere(item)
  for (let tries = 1; ; tries++) {
    if (version === undefined && keyTo === undefined) return { kind: 'skipped', why: 'absent' }
    // Who names both keys means this object.
    if (version === undefined) throw new Failure('object-not-found', `${item.key} does not exist`)
    const result = await copyVersion(context, work, { version, there })
    const isChanged = result.kind === 'skipped' && result.why === 'changed'
    // What the list told of the destination is of the past, perhaps by an earlier delivery of the item.
    const again = there !== undefined || latest === true
    if (!isChanged || !again || tries >= TRIES_MAX) return result
    there = undefined
    if (latest === true) version = await sourceVersion(context, work, true)
  }
}

function listedVersion({ version, sizeBytes }: JobItem): ListedVersion | undefined {
  return version === undefined || sizeBytes === undefined ? undefined : { ...version, sizeBytes }
}

async function sourceVersion(
  context: JobContext,
  { job, item, lease }: Work,
  latest: boolean | undefined,
): Promise<ListedVersion | undefined> {
  const source = { bucket: context.bucketOf(job), key: item.key }
  const head = await headOf(context, { ...source, latest, signal: lease.signal })
  return head.kind === 'found' ? head.attributes : undefined
}

async function copyVersion(
  context: JobContext,
  work: Work,
  { version, there }: Copied,
): Promise<ItemResult> {
  const { job, item, lease } = work
  const options = checkSchema(COPY_OPTIONS_SCHEMA, job.args, 'args')
  const { to, prepend = '', keyTo, overwrite, dryRun } = options
  const source = { bucket: context.bucketOf(job), key: item.key }
  const bucket = findBucket(context, to)
  const place = { bucket, key: keyTo ?? `${prepend}${item.key}` }
  // Of a bucket copied into itself, what the job makes is not to be copied as well.
  const isListed = bucket?.id === source.bucket.id && keyTo === undefined
  if (isListed && mayBeNew(source.bucket, version, beganMs(job))) {
    return { kind: 'skipped', why: 'new' }
  }
  const old = there ?? (await versionAt(context, place, lease))
  if (old !== 'absent') {
    if (overwrite === false) return { kind: 'skipped', why: 'exists' }
    const open = (address: ObjectAddress) => headOf(context, { ...address, signal: lease.signal })
    if (await sameContent({ version, copy: old }, { source, place, open })) {
      return { kind: 'skipped', why: 'equal' }
    }
    if (old.lastModifiedMs >= beganMs(job)) return { kind: 'skipped', why: 'newer' }
  }
  if (dryRun === true) return { kind: 'done', bytes: version.sizeBytes }
  if (bucket === undefined) throw new Failure('bucket-not-found', `there is no bucket ${to}`)
  const guard: Guard = { version: old, beforeMs: beganMs(job), check: () => lease.check() }
  try {
    await context.target.copy({
      ...{ bucket, key: place.key, source, conditions: {}, guard, noteSource: true },
      sourceConditions: onlyVersion(version),
      sourceSizeBytes: version.sizeBytes,
      signal: lease.signal,
    })
    return { kind: 'done', bytes: version.sizeBytes }
  } catch (error) {
    if (isFailure(error, 'precondition-failed')) return { kind: 'skipped', why: 'changed' }
    // Without an old version it is the source that is gone.
    if (isFailure(error, 'object-not-found')) {
      return { kind: 'skipped', why: old === 'absent' ? 'absent' : 'changed' }
    }
    throw error
  }
}

async function versionAt(
  context: JobContext,
  { bucket, key }: { readonly bucket: BucketRecord | undefined; readonly key: string },
  { signal }: Lease,
): Promise<ObjectAttributes | 'absent'> {
  if (bucket === undefined) return 'absent'
  const head = await headOf(context, { bucket, key, latest: true, signal })
  return head.kind === 'found' ? head.attributes : 'absent'
}

function headOf(
  { target }: JobContext,
  request: Omit<Parameters<JobContext['target']['head']>[0], 'conditions'>,
): Promise<HeadAnswer> {
  return target.head({ ...request, conditions: {} })
}

/** Stores tell whole seconds: the one in which the job began has old and new objects. */
function mayBeNew(
  bucket: BucketRecord,
  { lastModifiedMs }: ListedVersion,
  sinceMs: number,
): boolean {
  return bucket.backend === undefined ? lastModifiedMs >= sinceMs : lastModifiedMs + 1000 > sinceMs
}

/** The index page of a web server tells dates, and no tags. */
function onlyVersion({ etag, lastModifiedMs }: ListedVersion): Conditions {
  return etag === '' ? { ifUnmodifiedSinceMs: lastModifiedMs } : { ifMatch: [etag] }
}
