import type { ListOptions, ListResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import { askDocument } from './buckets.ts'
import { bucketMissing } from './classify-error.ts'
import { describe, type Place, resourcePath } from './connection.ts'
import { OBJECT_FIELDS, parseObject, textOf, textsOf } from './object-resource.ts'
import { etagOf, versionOfResource } from './object-version.ts'

/** One name of a page: an object, or a prefix that stands for several. */
interface Entry {
  readonly name: string
  readonly object?: ListedObject
}

/** Empty pages in a row that are followed; the store may send some where much was deleted. */
const EMPTY_PAGES_MAX = 1000

/**
 * One page of names.
 *
 * The token of the next page is the last name of this one, not the store's own: pages are then cut
 * to the length asked for and free of doubles whatever a store counts as a page.
 */
export async function listObjects(place: Place, options: ListOptions): Promise<ListResult> {
  const { pageMax, continuationToken, startAfter } = options
  const isPast = (entry: Entry): boolean => {
    if (continuationToken !== undefined) return compareKeys(entry.name, continuationToken) <= 0
    return entry.object !== undefined && entry.name === startAfter
  }
  let pageToken: string | undefined
  for (let page = 0; page < EMPTY_PAGES_MAX; page++) {
    const found = await askPage(place, { options, pageToken })
    const entries = found.entries.filter((entry) => !isPast(entry))
    pageToken = found.nextPageToken
    if (entries.length === 0 && pageToken !== undefined) continue
    const taken = entries.slice(0, pageMax)
    const isLast = taken.length === entries.length && pageToken === undefined
    return {
      objects: taken.flatMap(({ object }) => object ?? []),
      commonPrefixes: taken.flatMap(({ name, object }) => (object === undefined ? name : [])),
      nextToken: isLast ? undefined : taken.at(-1)?.name,
    }
  }
  const what = describe('LIST', place.bucket, options.prefix)
  throw new Failure('backend-corrupt', `${what}: ${EMPTY_PAGES_MAX} pages had no name`)
}

interface Page {
  /** In the order of their UTF-8 bytes. */
  readonly entries: readonly Entry[]
  readonly nextPageToken: string | undefined
}

async function askPage(
  place: Place,
  asked: { readonly options: ListOptions; readonly pageToken: string | undefined },
): Promise<Page> {
  const { options, pageToken } = asked
  const { prefix, delimiter, signal } = options
  const what = describe('LIST', place.bucket, prefix)
  const answer = await askDocument(place.connection, {
    method: 'GET',
    path: `${resourcePath(place.bucket)}/o`,
    query: {
      prefix: prefix === '' ? undefined : prefix,
      delimiter: delimiter === '' ? undefined : delimiter,
      // Inclusive, so one more is asked for.
      startOffset: options.continuationToken ?? options.startAfter,
      maxResults: String(options.pageMax + 1),
      pageToken,
      fields: `nextPageToken,prefixes,items(${OBJECT_FIELDS})`,
    },
    signal,
    what,
  }).catch(bucketMissing)
  const items = Array.isArray(answer['items']) ? answer['items'] : []
  const entries: Entry[] = textsOf(answer['prefixes']).map((name) => ({ name }))
  for (const item of items) {
    const resource = parseObject(item, what)
    const { name, sizeBytes, updatedMs, storageClass } = resource
    const etag = etagOf(versionOfResource(resource))
    entries.push({
      name,
      object: { key: name, sizeBytes, etag, lastModifiedMs: updatedMs, storageClass },
    })
  }
  const next = textOf(answer['nextPageToken'])
  return {
    entries: entries.sort((a, b) => compareKeys(a.name, b.name)),
    nextPageToken: next === '' ? undefined : next,
  }
}
