import type { Lease, ListedStep } from '@forebay/jobs/engine'
import type { JobItem } from '@forebay/jobs/job'
import type { BucketRecord } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ObjectAttributes } from '@forebay/model/object'
import type { JobContext } from '../kind-work.ts'
import { namesBetween } from './names-between.ts'

/** Pages of the destination for one page of the source; where it has many more names, HEADs tell. */
const PAGES_MAX = 2

/** A version as a list tells it. */
export type ListedVersion = Pick<ObjectAttributes, 'etag' | 'lastModifiedMs' | 'sizeBytes'>

/**
 * Adds to the items of a page what a destination with a backend has in their places: two lists in step
 * save one HEAD an item.
 *
 * @param after last name of the page before
 */
export async function addVersionsThere(
  context: JobContext,
  listed: ListedStep,
  there: {
    readonly bucket: BucketRecord
    readonly prepend: string
    readonly prefix: string
    readonly after: string
    readonly lease: Lease
  },
): Promise<ListedStep['pages']> {
  const { bucket, prepend, prefix, lease } = there
  const final = lastKey(listed)
  if (final === undefined) return listed.pages
  const placeOf = (key: string): string => `${prepend}${key}`
  const { objects, known } = await namesBetween(context, {
    bucket,
    prefix: placeOf(prefix),
    after: there.after === '' ? '' : placeOf(there.after),
    final: placeOf(final),
    pagesMax: PAGES_MAX,
    lease,
  })
  const isKnown = (place: string): boolean =>
    compareKeys(place, placeOf(there.after)) > 0 && compareKeys(place, known) <= 0
  const added = (item: JobItem): JobItem => {
    const place = placeOf(item.key)
    const object = objects.get(place)
    if (object !== undefined) {
      const { etag, lastModifiedMs, sizeBytes } = object
      return { ...item, extra: { there: { etag, lastModifiedMs, sizeBytes } } }
    }
    return isKnown(place) ? { ...item, extra: { there: 'absent' } } : item
  }
  return listed.pages.map(({ owner, items }) => ({ owner, items: items.map(added) }))
}

/** The last name of a page, whoever owns it. */
export function lastKey({ pages }: ListedStep): string | undefined {
  const keys = pages.flatMap(({ items }) => items.at(-1)?.key ?? [])
  return keys.reduce<string | undefined>(
    (last, key) => (last === undefined || compareKeys(last, key) < 0 ? key : last),
    undefined,
  )
}

/** What was added of an item; `undefined`: nothing is known. */
export function versionThere({ extra }: JobItem): ListedVersion | 'absent' | undefined {
  const there = extra?.['there']
  if (there === 'absent') return there
  if (typeof there !== 'object' || there === null) return undefined
  const { etag, lastModifiedMs, sizeBytes } = { ...NOT_TOLD, ...there }
  if (typeof etag !== 'string') return undefined
  if (typeof lastModifiedMs !== 'number' || typeof sizeBytes !== 'number') return undefined
  return { etag, lastModifiedMs, sizeBytes }
}

const NOT_TOLD = { etag: undefined, lastModifiedMs: undefined, sizeBytes: undefined } as const
