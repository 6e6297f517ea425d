/**
 * How a bucket, or objects of it, get into another: first what is selected, page by page of the source;
 * with `sync` then what the destination has and the source has not.
 */
import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import type { Lease, ListedStep } from '@forebay/jobs/engine'
import type { JobRecord } from '@forebay/jobs/job'
import type { ArgsOf } from '@forebay/jobs/kind'
import { COPY_OBJECTS } from '@forebay/jobs/kinds/copy-objects'
import type { BucketRecord } from '@forebay/model/bucket'
import { findBucket, openDestination } from '../destination.ts'
import type { JobContext, KindWork } from '../kind-work.ts'
import { listSelected } from '../select-items.ts'
import { copyItem } from './copy-item.ts'
import { addVersionsThere, lastKey } from './destination-versions.ts'
import { isSurplus, listSurplus, removeSurplus } from './surplus.ts'

/** Begin the cursors of the two passes. */
const COPY_PASS = 'copy:'
const SURPLUS_PASS = 'surplus:'

type CopyArgs = ArgsOf<typeof COPY_OBJECTS>

/** The kinds that copy differ in what users can select, which their schemas say. */
export function copyWork(name: string): KindWork {
  return {
    name,
    list: listStep,
    apply: (context, work) =>
      isSurplus(work.item) ? removeSurplus(context, work) : copyItem(context, work),
  }
}

async function listStep(
  context: JobContext,
  step: { readonly job: JobRecord; readonly cursor: string | undefined; readonly lease: Lease },
): Promise<ListedStep> {
  const { job, cursor, lease } = step
  const args = checkSchema(COPY_OBJECTS.args, job.args, 'args')
  const source = context.bucketOf(job)
  const destination = await destinationOf(context, args, source)
  const [key] = args.keys ?? []
  const isElsewhere = (args.prepend ?? '') !== '' || (args.keyTo ?? key) !== key
  const isSame = source.id === destination?.id && !isElsewhere
  if (isSame && args.dryRun !== true) {
    throw new Failure('argument-invalid', 'a bucket is not copied onto itself', {
      hint: 'name another bucket, another key, or a prefix to prepend',
    })
  }
  if (cursor?.startsWith(SURPLUS_PASS)) {
    if (destination === undefined) return { pages: [], cursor: undefined }
    const inner = cursor.slice(SURPLUS_PASS.length)
    const prefix = args.prefix ?? ''
    const listed = await listSurplus(context, { source, destination, prefix, cursor: inner, lease })
    return { ...listed, cursor: passed(SURPLUS_PASS, listed.cursor) }
  }
  const { after, inner } = readPlace(cursor)
  const listed = await listSelected(context, {
    bucket: source,
    selection: args,
    cursor: inner,
    lease,
  })
  const next = args.sync === true ? SURPLUS_PASS : undefined
  const place = { after: lastKey(listed) ?? after, inner: listed.cursor }
  return {
    pages: await pagesOf(context, { listed, args, destination, after, lease }),
    cursor: place.inner === undefined ? next : `${COPY_PASS}${JSON.stringify(place)}`,
  }
}

/** A destination with a backend is listed as well, where the source is. */
async function pagesOf(
  context: JobContext,
  step: {
    readonly listed: ListedStep
    readonly args: CopyArgs
    readonly destination: BucketRecord | undefined
    readonly after: string
    readonly lease: Lease
  },
): Promise<ListedStep['pages']> {
  const { listed, args, destination: bucket, after, lease } = step
  const { keys, template, prefix = '', prepend = '' } = args
  const isListed = keys === undefined && template === undefined
  if (bucket?.backend === undefined || !isListed) return listed.pages
  return addVersionsThere(context, listed, { bucket, prepend, prefix, after, lease })
}

/** How far the source is listed: what `listSelected` returned, and the last name. */
interface Place {
  readonly after: string
  readonly inner: string | undefined
}

function readPlace(cursor: string | undefined): Place {
  if (cursor === undefined) return { after: '', inner: undefined }
  const place: unknown = JSON.parse(cursor.slice(COPY_PASS.length))
  if (typeof place === 'object' && place !== null && 'after' in place && 'inner' in place) {
    const { after, inner } = place
    if (typeof after === 'string' && typeof inner === 'string') return { after, inner }
  }
  throw new Failure('argument-invalid', 'the cursor is none of this kind of job')
}

function passed(pass: string, cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : `${pass}${cursor}`
}

/** Absent only where a dry run would make it. */
async function destinationOf(
  context: JobContext,
  { to, dryRun }: CopyArgs,
  source: BucketRecord,
): Promise<BucketRecord | undefined> {
  return dryRun === true ? findBucket(context, to) : openDestination(context, to, source)
}
