import type {
  Backend,
  BucketInfo,
  Call,
  Capabilities,
  ListOptions,
  ListResult,
} from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import { compareKeys } from '@forebay/model/key'
import { failureOf } from './classify-answer.ts'
import {
  type Connection,
  describe,
  type HttpOptions,
  openConnection,
  sendRequest,
} from './connection.ts'
import { describeUrl, type HttpSource, parseHttpSource } from './http-source.ts'
import { IndexPages } from './index-pages.ts'
import { listedByHead, listObjects } from './list-objects.ts'
import { RangeSupport } from './range-support.ts'
import { headObject, type Place, readObject } from './read-object.ts'

/**
 * What web servers can do. Ranges are a matter of the server: a backend has the capability when its own
 * has shown or announced them, and gives the wanted bytes in any case. A pin is compared with the
 * answer, so it holds with servers that know no conditions too.
 */
export const HTTP_CAPABILITIES: Capabilities = {
  rangedRead: true,
  pinnedRead: true,
  conditionalWrite: false,
  conditionalDelete: false,
  multipart: 'none',
  serverSideCopy: false,
  write: false,
  listPageMax: LIST_PAGE_MAX,
  putBytesMax: 0,
}

/** Connections to web servers, for any number of buckets. */
export interface HttpAccount {
  /**
   * The objects below a directory, or the one object, that `url` names; nothing is asked. `close` of it
   * does nothing.
   *
   * @throws Failure `argument-invalid` for a URL that `parseHttpSource` refuses
   */
  bucket(url: string): Backend
  /**
   * `undefined` when the server says that the directory or the object is not there.
   *
   * @throws Failure `argument-invalid` also for a directory that is named without its slash
   */
  lookupBucket(url: string, call: Call): Promise<BucketInfo | undefined>
  /** Ends all connections, with what is under way on them. */
  close(): Promise<void>
}

/** Opens nothing yet; connections come with the first request. */
export function openHttpAccount(options: HttpOptions): HttpAccount {
  const connection = openConnection(options)
  const placeOf = (url: string): Place => openPlace(connection, url)
  return {
    bucket: (url) => bucketBackend(placeOf(url)),
    // A promise in any case, also for a URL that is refused.
    lookupBucket: async (url, call) => lookupBucket(placeOf(url), call),
    close: () => connection.agent.destroy(),
  }
}

/** One source with connections of its own; `close` ends them. */
export function createHttpBackend(options: HttpOptions & { readonly url: string }): Backend {
  const connection = openConnection(options)
  return {
    ...bucketBackend(openPlace(connection, options.url)),
    close: () => connection.agent.destroy(),
  }
}

function openPlace(connection: Connection, url: string): Place {
  return { connection, source: parseHttpSource(url), ranges: new RangeSupport() }
}

function bucketBackend(place: Place): Backend {
  return {
    name: describeUrl(place.source.url),
    capabilities: {
      ...HTTP_CAPABILITIES,
      get rangedRead() {
        return place.ranges.isExpected
      },
    },
    mutations: undefined,
    read: (options) => readObject(place, options),
    head: (options) => headObject(place, options),
    list: listerOf(place),
    headBucket: (call) => lookupBucket(place, call),
    close: () => Promise.resolve(),
  }
}

function listerOf(place: Place): (options: ListOptions) => Promise<ListResult> {
  const { source } = place
  if (source.kind === 'object') return (options) => listOne(place, source.key, options)
  const tree = { ...place, pages: new IndexPages(place.connection, source.url) }
  return (options) => listObjects(tree, options)
}

/** A source that is one object lists it. */
async function listOne(place: Place, key: string, options: ListOptions): Promise<ListResult> {
  const { prefix, delimiter = '', startAfter = '', continuationToken, pageMax, signal } = options
  const none: ListResult = { objects: [], commonPrefixes: [], nextToken: undefined }
  // There is no second page, so no token of one.
  const wanted = continuationToken === undefined && pageMax > 0 && key.startsWith(prefix)
  if (!wanted || compareKeys(key, startAfter) <= 0) return none
  const at = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length)
  if (at >= 0) return { ...none, commonPrefixes: [key.slice(0, at + delimiter.length)] }
  const listed = await listedByHead(place, key, signal)
  return listed === undefined ? none : { ...none, objects: [listed] }
}

async function lookupBucket(place: Place, call: Call): Promise<BucketInfo | undefined> {
  const { source } = place
  const name = describeUrl(source.url)
  const info: BucketInfo = { name, createdMs: undefined, region: undefined }
  if (source.kind === 'object') return (await findObject(place, source, call)) ? info : undefined
  const request = { method: 'GET', url: source.url, headers: {}, signal: call.signal } as const
  const answer = await sendRequest(place.connection, request)
  answer.body.discard()
  const { status } = answer
  // Servers refuse the page of a directory whose objects they give all the same.
  if (status === 200 || status === 403 || status === 405) return info
  const failure = failureOf(answer, describe(request))
  if (failure.code === 'object-not-found') return undefined
  throw failure
}

async function findObject(
  place: Place,
  source: Extract<HttpSource, { kind: 'object' }>,
  { signal }: Call,
): Promise<boolean> {
  const head = await headObject(place, { key: source.key, signal })
  if (head.kind === 'found') return true
  const { url } = source
  const request = { method: 'GET', url, headers: {}, signal } as const
  const answer = await sendRequest(place.connection, request)
  answer.body.discard()
  if (!answer.isDirectory) return false
  throw new Failure('argument-invalid', `${describeUrl(url)} is a directory`, {
    hint: 'write a slash at its end',
  })
}
