import { type Lease, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { BucketRecord } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import type { JobContext } from '../kind-work.ts'

/** Part of a list of names, in bytes of UTF-8. */
export interface NamePart {
  readonly bucket: BucketRecord
  readonly prefix: string
  /** Exclusive; empty: from the start. */
  readonly after: string
  /** Inclusive. */
  readonly final: string
  /** Pages that are asked for at most. */
  readonly pagesMax: number
  /** Names that are asked about; absent: all are, of so many pages. */
  readonly only?: ReadonlySet<string> | undefined
  readonly lease: Lease
}

/** What a bucket has in a part of its list; `complete` to `known`, where a bound cut it short. */
export interface NamesBetween {
  readonly objects: ReadonlyMap<string, ListedObject>
  /** Names up to this one, or all of the part: what is not in `objects` is not there. */
  readonly known: string
}

/** The objects of a bucket with names in one part of the list, by its own list. */
export async function namesBetween(context: JobContext, part: NamePart): Promise<NamesBetween> {
  const { bucket, prefix, after, final, pagesMax, only, lease } = part
  const objects = new Map<string, ListedObject>()
  let known = after
  let token: string | undefined
  for (let pages = 0; pages < pagesMax; pages++) {
    const page = await context.target.list({
      bucket,
      prefix,
      after: after === '' ? undefined : after,
      token,
      pageMax: PAGE_ITEMS_MAX,
      signal: lease.signal,
    })
    for (const object of page.objects) {
      if (only?.has(object.key) !== false) objects.set(object.key, object)
    }
    known = page.objects.at(-1)?.key ?? known
    token = page.nextToken
    if (token === undefined || compareKeys(known, final) >= 0) return { objects, known: final }
  }
  return { objects, known }
}
