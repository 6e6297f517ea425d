import { LIST_PAGE_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import { keyIdOf, type ObjectContext, raiseKey } from './context.ts'

/** Entries that are held against one page at most: a page of a store has 1,000 names. */
export const COMPARED_MAX = 2 * LIST_PAGE_MAX

/** One page of names from a backend, and what part of the bucket it is about. */
export interface ListedPage {
  readonly bucket: BucketRecord
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  /** The page has all names behind this one; `undefined`: behind its own first name, and that one. */
  readonly after: string | undefined
  /** Nothing follows. */
  readonly isLast: boolean
  /** Wall clock before the backend was asked, ms. */
  readonly askedMs: number
}

/**
 * Holds what is cached against a page of names, at no extra request: entries of another version, and
 * those that the page should have and has not, are asked about before their next use. Nothing is
 * removed: a listing may be older than an object.
 *
 * @returns how many entries became stale
 */
export function compareListing(context: ObjectContext, page: ListedPage): number {
  let staleCount = 0
  for (const listed of page.objects) {
    if (doubtOther(context, page, listed)) staleCount += 1
  }
  return staleCount + doubtMissing(context, page)
}

/** What was confirmed after the page was asked for is no older than the page. */
function isOlder(record: { readonly validatedMs: number }, { askedMs }: ListedPage): boolean {
  return record.validatedMs !== 0 && record.validatedMs <= askedMs
}

function doubtOther(context: ObjectContext, page: ListedPage, listed: ListedObject): boolean {
  const { bucket } = page
  const keyId = keyIdOf(bucket, listed.key)
  const { fills } = context
  for (const held of [fills.get(keyId), fills.gathered(keyId), fills.arriving(keyId)]) {
    if (held === undefined || held.askedMs > page.askedMs) continue
    if (differs(held, listed, bucket)) raiseKey(context, keyId)
  }
  const record = context.store.get(bucket.id, listed.key)
  if (record === undefined || !isOlder(record, page) || !differs(record, listed, bucket))
    return false
  context.store.expire(bucket.id, listed.key)
  return true
}

function differs(
  held: {
    readonly attributes: Pick<ListedObject, 'etag' | 'sizeBytes' | 'lastModifiedMs'>
  },
  listed: ListedObject,
  { backend }: BucketRecord,
): boolean {
  const { attributes } = held
  if (attributes.sizeBytes !== listed.sizeBytes) return true
  if (attributes.etag === listed.etag) return false
  // The index page of a web server knows dates, and none of the tags that its answers have.
  return backend?.provider !== 'http' || attributes.lastModifiedMs !== listed.lastModifiedMs
}

/** Entries within the page's part of the bucket that the page has not. */
function doubtMissing(context: ObjectContext, page: ListedPage): number {
  const { bucket, prefix, delimiter } = page
  const range = rangeOf(page)
  if (range === undefined) return 0
  const listed = new Set(page.objects.map(({ key }) => key))
  let staleCount = 0
  let after: string | undefined = range.after
  for (let seen = 0; after !== undefined && seen < COMPARED_MAX; seen += LIST_PAGE_MAX) {
    const scan = { bucketId: bucket.id, prefix, delimiter, after, pageMax: LIST_PAGE_MAX }
    const held = context.store.scan(scan)
    for (const { key } of held.objects) {
      if (range.final !== undefined && compareKeys(key, range.final) > 0) return staleCount
      const record = listed.has(key) ? undefined : context.store.get(bucket.id, key)
      if (record === undefined || !isOlder(record, page)) continue
      context.store.expire(bucket.id, key)
      staleCount += 1
    }
    after = held.next
  }
  return staleCount
}

/** From where to where the page is complete; undefined where its names are in no order that tells. */
function rangeOf(
  page: ListedPage,
): { readonly after: string; readonly final: string | undefined } | undefined {
  const keys = page.objects.map(({ key }) => key)
  if (!isInOrder(keys) || !isInOrder(page.commonPrefixes)) return undefined
  const names = [...keys, ...page.commonPrefixes]
  const final = page.isLast ? undefined : names.reduce(later, '')
  if (final === '') return undefined
  const after = page.after ?? names.reduce(earlier, names[0] ?? '')
  return { after, final }
}

function isInOrder(names: readonly string[]): boolean {
  return names.every((name, at) => at === 0 || compareKeys(names[at - 1] ?? '', name) < 0)
}

const later = (a: string, b: string): string => (compareKeys(a, b) < 0 ? b : a)
const earlier = (a: string, b: string): string => (compareKeys(b, a) < 0 ? b : a)
