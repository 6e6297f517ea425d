import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import { type Lease, type ListedStep, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { COPY_OPTIONS_SCHEMA } from '@forebay/jobs/kinds/copy-options'
import type { BucketRecord } from '@forebay/model/bucket'
import { findBucket } from '../destination.ts'
import type { ItemResult, JobContext } from '../kind-work.ts'
import { splitByOwner } from '../select-items.ts'
import { deleteListed } from './delete-listed.ts'
import { type NamesBetween, namesBetween } from './names-between.ts'

/** An item of the destination that the source may not have. */
const SURPLUS = { surplus: true } as const

export function isSurplus({ extra }: JobItem): boolean {
  return extra?.['surplus'] === true
}

interface SurplusStep {
  readonly source: BucketRecord
  readonly destination: BucketRecord
  readonly prefix: string
  /** As the step before returned it; empty at the beginning. */
  readonly cursor: string
  readonly lease: Lease
}

/** Where the next page of the destination begins: its token, and the last name before it. */
interface Place {
  readonly token: string | undefined
  readonly after: string
}

/** One page of the destination, less the names that the source has in that part. */
export async function listSurplus(context: JobContext, step: SurplusStep): Promise<ListedStep> {
  const { source, destination, prefix, lease } = step
  const { token, after } = readPlace(step.cursor)
  const page = await context.target.list({
    bucket: destination,
    prefix,
    token,
    pageMax: PAGE_ITEMS_MAX,
    signal: lease.signal,
  })
  const final = page.objects.at(-1)?.key
  // The source may have any number of names between these.
  const only = new Set(page.objects.map(({ key }) => key))
  const part = { bucket: source, prefix, after, pagesMax: Number.POSITIVE_INFINITY, only, lease }
  // One that this list leaves out costs a HEAD later.
  const names =
    final === undefined ? NONE : (await namesBetween(context, { ...part, final })).objects
  const items = page.objects
    .filter(({ key }) => !names.has(key))
    .map(({ key, etag, lastModifiedMs, sizeBytes }) => ({
      key,
      version: { etag, lastModifiedMs },
      sizeBytes,
      extra: SURPLUS,
    }))
  const place = { token: page.nextToken, after: final ?? after }
  return {
    pages: splitByOwner(context, destination, items),
    cursor: place.token === undefined ? undefined : JSON.stringify(place),
  }
}

const NONE: NamesBetween['objects'] = new Map()

function readPlace(cursor: string): Place {
  if (cursor === '') return { token: undefined, after: '' }
  const place: unknown = JSON.parse(cursor)
  if (typeof place === 'object' && place !== null && 'token' in place && 'after' in place) {
    const { token, after } = place
    if (typeof token === 'string' && typeof after === 'string') return { token, after }
  }
  throw new Failure('argument-invalid', 'the cursor is none of this kind of job')
}

/** Deletes an object of the destination when the source, asked once more, has none of that name. */
export async function removeSurplus(
  context: JobContext,
  work: { readonly job: JobRecord; readonly item: JobItem; readonly lease: Lease },
): Promise<ItemResult> {
  const { job, item, lease } = work
  const { to, dryRun } = checkSchema(COPY_OPTIONS_SCHEMA, job.args, 'args')
  const bucket = findBucket(context, to)
  if (bucket === undefined) throw new Failure('bucket-not-found', `there is no bucket ${to}`)
  const head = await context.target.head({
    bucket: context.bucketOf(job),
    key: item.key,
    conditions: {},
    latest: true,
    signal: lease.signal,
  })
  if (head.kind !== 'absent') return { kind: 'skipped', why: 'wanted' }
  if (dryRun === true) return { kind: 'done', bytes: 0 }
  return deleteListed(context, { job, bucket, item, lease })
}
