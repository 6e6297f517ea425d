/**
 * Archiving, top to bottom: objects of a bucket are grouped into shards in the order of their list; a
 * shard is one item, written as one object, all or nothing, and marked so that it is not made twice.
 */

import { contentTypeOf } from '@forebay/archive/format'
import { archiveBytes } from '@forebay/archive/writer'
import { formatDigest64, xxh64 } from '@forebay/base/digest'
import { Failure } from '@forebay/base/failure'
import type { Lease } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { ARCHIVE } from '@forebay/jobs/kinds/archive'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAttributes } from '@forebay/model/object'
import { argsOf } from '../args-of.ts'
import { findBucket, openDestination } from '../destination.ts'
import type { ItemResult, JobContext, KindWork } from '../kind-work.ts'
import { openBase } from './archive-base.ts'
import { shardBody } from './archive-body.ts'
import { type ArchivePlan, planArchive } from './archive-plan.ts'
import { headMember, listShards, membersOf, type ShardMember } from './archive-shards.ts'

/** Metadata of an archive: which shards of which jobs are in it, the latest last. */
const MARK = 'forebay-archive'

/** Older ones are forgotten: user metadata is at most 2 KiB. */
const MARKS_MAX = 12

export const ARCHIVE_WORK: KindWork = {
  name: ARCHIVE.name,
  list: async (context, { job, cursor, lease }) => {
    const source = context.bucketOf(job)
    const args = argsOf(ARCHIVE, job)
    const destination =
      cursor === undefined
        ? await openDestination(context, args.to, source)
        : destinationOf(context, args.to)
    const plan = planArchive(args, source.ref.name)
    return listShards(context, { plan, source, destination, cursor, lease })
  },
  apply: (context, work) => applyShard(context, work),
  end: async (_, { job }) => {
    const { to, name } = argsOf(ARCHIVE, job)
    return { to, name, archives: job.listing.items }
  },
}

/** Made at the first step; destroyed meanwhile, it is not made again. */
function destinationOf(context: JobContext, url: string): BucketRecord {
  const found = findBucket(context, url)
  if (found !== undefined) return found
  throw new Failure('bucket-not-found', `there is no bucket ${url}`)
}

async function applyShard(
  context: JobContext,
  { job, item, lease }: { readonly job: JobRecord; readonly item: JobItem; readonly lease: Lease },
): Promise<ItemResult> {
  const source = context.bucketOf(job)
  const args = argsOf(ARCHIVE, job)
  const plan = planArchive(args, source.ref.name)
  const destination = destinationOf(context, args.to)
  const { shard, members } = membersOf(item)
  const mark = `${job.id}/${shard}/${formatDigest64(xxh64(JSON.stringify(members)))}`
  const base = await headShard(context, { bucket: destination, key: item.key, lease })
  const marks = marksOf(base)
  // An earlier delivery made it.
  if (marks.includes(mark)) return { kind: 'done', bytes: item.sizeBytes ?? 0 }
  return writeShard(context, { job, item, lease, plan, source, destination, members, base, mark })
}

interface ShardWork {
  readonly job: JobRecord
  readonly item: JobItem
  readonly lease: Lease
  readonly plan: ArchivePlan
  readonly source: BucketRecord
  readonly destination: BucketRecord
  readonly members: readonly ShardMember[]
  /** What has the name already. */
  readonly base: ObjectAttributes | undefined
  readonly mark: string
}

async function writeShard(context: JobContext, work: ShardWork): Promise<ItemResult> {
  const { job, item, lease, plan, source, destination, base, mark } = work
  const { format, skipsMissing, memberNameOf } = plan
  const members = await resolveMissing(context, work)
  const kept =
    plan.append && base !== undefined
      ? await openBase({
          target: context.target,
          bucket: destination,
          key: item.key,
          attributes: base,
          signal: lease.signal,
        })
      : undefined
  const body = shardBody({
    target: context.target,
    source,
    format,
    members,
    skipsMissing,
    memberNameOf,
    head: kept?.pump,
    lengthBytes: skipsMissing ? undefined : lengthOf(plan, members, kept?.sizeBytes),
  })
  const marks = kept === undefined ? [] : marksOf(base)
  await context.target.write({
    bucket: destination,
    key: item.key,
    headers: { contentType: contentTypeOf(format) },
    metadata: { [MARK]: [...marks, mark].slice(-MARKS_MAX).join(' ') },
    conditions: {},
    guard: {
      version:
        base === undefined ? 'absent' : { etag: base.etag, lastModifiedMs: base.lastModifiedMs },
      // An archive that somebody wrote after the job began is theirs; what is added to is what is there.
      beforeMs: plan.append || base === undefined ? undefined : job.startedMs,
      check: () => lease.check(),
    },
    stated: [],
    md5: true,
    body,
    signal: lease.signal,
  })
  return { kind: 'done', bytes: body.written.bytes }
}

async function headShard(
  context: JobContext,
  {
    bucket,
    key,
    lease,
  }: { readonly bucket: BucketRecord; readonly key: string; readonly lease: Lease },
): Promise<ObjectAttributes | undefined> {
  const { signal } = lease
  const head = await context.target.head({ bucket, key, conditions: {}, latest: true, signal })
  return head.kind === 'found' ? head.attributes : undefined
}

function marksOf(base: ObjectAttributes | undefined): readonly string[] {
  return base?.metadata[MARK]?.split(' ') ?? []
}

/**
 * Objects that were not there when the list was made may be by now: a retry takes them up.
 *
 * @throws Failure `object-not-found`
 */
async function resolveMissing(
  context: JobContext,
  { source, lease, members }: ShardWork,
): Promise<readonly ShardMember[]> {
  if (members.every(({ version }) => version !== undefined)) return members
  const resolved: ShardMember[] = []
  for (const member of members) {
    const { key, version } = member
    const now =
      version === undefined
        ? await headMember(context, source, { key, signal: lease.signal })
        : member
    if (now.version === undefined)
      throw new Failure('object-not-found', `${key}: the object is not there`)
    resolved.push(now)
  }
  return resolved
}

/** How long the archive will be, bytes, where that is known. */
function lengthOf(
  plan: ArchivePlan,
  members: readonly ShardMember[],
  keptBytes = 0,
): number | undefined {
  const planned = members.map(({ key, version }) => ({
    name: plan.memberNameOf(key),
    sizeBytes: version?.sizeBytes ?? 0,
    modifiedMs: 0,
  }))
  const bytes = archiveBytes(plan.format, planned)
  return bytes === undefined ? undefined : keptBytes + bytes
}
