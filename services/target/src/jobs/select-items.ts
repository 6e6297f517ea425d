import { Failure } from '@forebay/base/failure'
import { type Lease, type ListedStep, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { JobItem } from '@forebay/jobs/job'
import { parseTemplate } from '@forebay/jobs/template'
import type { BucketRecord } from '@forebay/model/bucket'
import type { JobContext } from './kind-work.ts'

/** Which objects, as users say it: the properties of `SELECTION` of `@forebay/jobs`. */
export interface Selection {
  readonly keys?: readonly string[] | undefined
  readonly template?: string | undefined
  readonly prefix?: string | undefined
  /** Of a list, only keys without a slash behind the prefix. */
  readonly flat?: boolean | undefined
}

export interface SelectStep {
  readonly bucket: BucketRecord
  readonly selection: Selection
  /** As the step before returned it. */
  readonly cursor: string | undefined
  readonly lease: Lease
  /** Only what is in the cache, without asking the backend. */
  readonly cachedOnly?: boolean | undefined
}

/** True where keys are named one by one: one that is not there is a mistake of whoever named it. */
export function namesKeys(selection: Selection): boolean {
  return selection.keys !== undefined
}

/**
 * The next page of what is selected: of named keys and templates by their position, of a prefix or a
 * whole bucket by one page of the bucket's list (at a backend one request), with versions and sizes as
 * listed. Keys that are named have neither, and each is taken once per page.
 *
 * @throws Failure `argument-invalid` for more than one sort of selection or a bad template or cursor,
 *   and as `TargetPort.list`
 */
export async function listSelected(context: JobContext, step: SelectStep): Promise<ListedStep> {
  const { selection } = step
  const { keys, template, prefix } = selection
  const given = [keys, template, prefix].filter((part) => part !== undefined)
  if (given.length > 1) {
    throw new Failure('argument-invalid', 'give one of keys, template and prefix')
  }
  if (keys !== undefined) {
    return positions(context, step, { count: keys.length, keyAt: (at) => keys[at] ?? '' })
  }
  if (template === undefined) return listPage(context, step, prefix ?? '')
  const parsed = parseTemplate(template)
  switch (parsed.kind) {
    case 'everything':
      return listPage(context, step, '')
    case 'prefix':
      return listPage(context, step, parsed.prefix)
    case 'range':
      return positions(context, step, parsed)
    default:
      return parsed satisfies never
  }
}

function positions(
  context: JobContext,
  { bucket, cursor }: SelectStep,
  names: { readonly count: number; keyAt(position: number): string },
): ListedStep {
  const from = cursor === undefined ? 0 : Number(cursor)
  if (!Number.isSafeInteger(from) || from < 0) {
    throw new Failure('argument-invalid', `"${cursor}" is no position of a list`)
  }
  const end = Math.min(names.count, from + PAGE_ITEMS_MAX)
  const keys = new Set<string>()
  for (let at = from; at < end; at++) keys.add(names.keyAt(at))
  const items = [...keys].map((key) => ({ key }))
  return {
    pages: splitByOwner(context, bucket, items),
    cursor: end < names.count ? String(end) : undefined,
  }
}

async function listPage(
  context: JobContext,
  { bucket, selection, cursor, lease, cachedOnly }: SelectStep,
  prefix: string,
): Promise<ListedStep> {
  const page = await context.target.list({
    bucket,
    prefix,
    delimiter: selection.flat === true ? '/' : undefined,
    token: cursor,
    pageMax: PAGE_ITEMS_MAX,
    cachedOnly,
    signal: lease.signal,
  })
  const items = page.objects.map(({ key, etag, lastModifiedMs, sizeBytes }) => ({
    key,
    version: { etag, lastModifiedMs },
    sizeBytes,
  }))
  return { pages: splitByOwner(context, bucket, items), cursor: page.nextToken }
}

/** One page for each node that owns any of the items, each in the order of the list. */
export function splitByOwner(
  context: JobContext,
  bucket: BucketRecord,
  items: readonly JobItem[],
): ListedStep['pages'] {
  const byOwner = new Map<string, JobItem[]>()
  for (const item of items) {
    const owner = context.ownerOf(bucket, item.key)
    const owned = byOwner.get(owner)
    if (owned === undefined) byOwner.set(owner, [item])
    else owned.push(item)
  }
  return [...byOwner].map(([owner, owned]) => ({ owner, items: owned }))
}
