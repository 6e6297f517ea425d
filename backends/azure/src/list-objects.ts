import type { ListOptions, ListResult } from '@forebay/backend-port/backend'
import { parseEtag } from '@forebay/backend-transport/answer-headers'
import { compareKeys } from '@forebay/model/key'
import { storageClassOf } from './answer-headers.ts'
import { describe, type Place } from './connection.ts'
import { callSdk } from './sdk.ts'

/**
 * One page of names.
 *
 * The service continues a listing after its own marker only, not after a name. Where the name ended a
 * page of ours its marker is remembered; else pages are read from the first name of the prefix on,
 * and those before the start are dropped.
 */
export async function listObjects(place: Place, options: ListOptions): Promise<ListResult> {
  const { startAfter, continuationToken } = options
  if (startAfter === undefined || continuationToken !== undefined) return askPage(place, options)
  let token = place.connection.listMarks.find(scopeOf(place, options), startAfter)
  for (;;) {
    const page = await askPage(place, { ...options, continuationToken: token })
    const objects = page.objects.filter(({ key }) => compareKeys(key, startAfter) > 0)
    const commonPrefixes = page.commonPrefixes.filter((prefix) => endsAfter(prefix, startAfter))
    const found = objects.length > 0 || commonPrefixes.length > 0
    if (found || page.nextToken === undefined) return { ...page, objects, commonPrefixes }
    token = page.nextToken
  }
}

function scopeOf(place: Place, { prefix, delimiter }: ListOptions): string {
  return JSON.stringify([place.bucket, prefix, delimiter])
}

/** True when names of this prefix may come after `startAfter`. */
function endsAfter(prefix: string, startAfter: string): boolean {
  if (startAfter.startsWith(prefix)) return startAfter !== prefix
  return compareKeys(prefix, startAfter) > 0
}

async function askPage(place: Place, options: ListOptions): Promise<ListResult> {
  const page = await askService(place, options)
  if (page.nextToken !== undefined) {
    const names = [page.objects.at(-1)?.key ?? '', page.commonPrefixes.at(-1) ?? '']
    const [, last = ''] = names.sort(compareKeys)
    place.connection.listMarks.keep(scopeOf(place, options), last, page.nextToken)
  }
  return page
}

function askService(place: Place, options: ListOptions): Promise<ListResult> {
  const { prefix, delimiter, continuationToken, pageMax, signal } = options
  const paging = { maxPageSize: pageMax, ...(continuationToken && { continuationToken }) }
  const asked = prefix === '' ? {} : { prefix }
  const what = describe('LIST', place.bucket, prefix)
  return callSdk(place.connection, what, {
    signal,
    send: async (service) => {
      const container = service.getContainerClient(place.bucket)
      const pages =
        delimiter === undefined || delimiter === ''
          ? container.listBlobsFlat(asked).byPage(paging)
          : container.listBlobsByHierarchy(delimiter, asked).byPage(paging)
      const { value } = await pages.next()
      return pageOf(value)
    },
  })
}

/** As far as a page of the SDK is looked at. */
interface SdkPage {
  readonly continuationToken?: string | undefined
  readonly segment: {
    readonly blobPrefixes?: readonly { readonly name: string }[] | undefined
    readonly blobItems: readonly {
      readonly name: string
      readonly properties: {
        readonly contentLength?: number | undefined
        readonly etag: string
        readonly lastModified: Date
        readonly accessTier?: string | undefined
      }
    }[]
  }
}

function pageOf(page: SdkPage): ListResult {
  const { blobItems, blobPrefixes = [] } = page.segment
  return {
    objects: blobItems.map(({ name, properties }) => ({
      key: name,
      sizeBytes: properties.contentLength ?? 0,
      etag: parseEtag(properties.etag)?.etag ?? '',
      lastModifiedMs: properties.lastModified.getTime(),
      storageClass: storageClassOf(properties.accessTier),
    })),
    commonPrefixes: blobPrefixes.map(({ name }) => name),
    nextToken: page.continuationToken === '' ? undefined : page.continuationToken,
  }
}
