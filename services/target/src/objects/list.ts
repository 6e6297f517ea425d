import type { ListResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX, LIST_PAGE_MAX } from '@forebay/base/limits'
import { compareKeys } from '@forebay/model/key'
import type { ListAnswer, ListRequest } from '@forebay/peer/target-port'
import { listInventory, readInventoryToken, storeStart } from '../inventory/list-inventory.ts'
import { compareListing } from './compare-listing.ts'
import type { ObjectContext } from './context.ts'

/** Begins every token of ours; another text is no token. */
const TOKEN_MARK = '1.'

/**
 * One page of names, by bytes of UTF-8: of a native bucket from the index, of a bucket with a backend
 * from the backend, which alone knows them all. A backend's page also tells which entries are stale,
 * at no extra request.
 *
 * @throws Failure `argument-invalid` for a token that is not of an earlier answer, `key-too-long` for
 *   a prefix or a start that no key can have
 */
export async function listObjects(
  context: ObjectContext,
  request: ListRequest,
): Promise<ListAnswer> {
  const pageMax = Math.min(request.pageMax, LIST_PAGE_MAX)
  checkLength(request.prefix, 'prefix')
  checkLength(request.after ?? '', 'start')
  if (request.bucket.backend === undefined || request.cachedOnly === true) {
    return listIndex(context, { ...request, pageMax })
  }
  if (pageMax === 0) return { objects: [], commonPrefixes: [], nextToken: undefined }
  const from = request.token === undefined ? undefined : readInventoryToken(request.token)
  // A listing that was begun at the store goes on there.
  if (from !== undefined || (request.inventory === true && request.token === undefined)) {
    const listed = await listInventory(context, { ...request, pageMax }, from)
    if (listed !== undefined) return listed
  }
  return listBackend(context, {
    ...request,
    ...(from === undefined ? {} : { token: undefined, after: storeStart(from) }),
    pageMax,
  })
}

async function listBackend(context: ObjectContext, request: ListRequest): Promise<ListAnswer> {
  const { bucket, prefix, delimiter, after, pageMax, signal } = request
  const position = request.token === undefined ? undefined : readPosition(request.token)
  const continuationToken = position?.token
  const backend = context.backendOf(bucket)
  const askedMs = context.clock.now()
  const page = await backend.list({
    prefix,
    delimiter,
    startAfter: continuationToken === undefined ? after : undefined,
    continuationToken,
    pageMax: Math.min(pageMax, backend.capabilities.listPageMax),
    signal,
  })
  const { objects, commonPrefixes, nextToken } = page
  compareListing(context, {
    ...{ bucket, prefix, delimiter, objects, commonPrefixes, askedMs },
    after: position === undefined ? (after ?? '') : position.after,
    isLast: nextToken === undefined,
  })
  return {
    objects,
    commonPrefixes,
    nextToken: nextToken === undefined ? undefined : makePosition(nextToken, page),
  }
}

/** The index cannot even look for a name that is longer than a key. */
export function checkLength(text: string, what: string): void {
  if (Buffer.byteLength(text) <= KEY_BYTES_MAX) return
  throw new Failure(
    'key-too-long',
    `the ${what} of a listing is longer than ${KEY_BYTES_MAX} bytes, and so than any key`,
  )
}

function listIndex(context: ObjectContext, request: ListRequest): ListAnswer {
  const after = request.token === undefined ? (request.after ?? '') : readToken(request.token)
  if (request.pageMax === 0) return { objects: [], commonPrefixes: [], nextToken: undefined }
  const page = context.store.scan({
    bucketId: request.bucket.id,
    prefix: request.prefix,
    delimiter: request.delimiter,
    after,
    pageMax: request.pageMax,
  })
  const { objects, commonPrefixes, next, seeks } = page
  context.observer.listed(seeks)
  return { objects, commonPrefixes, nextToken: next === undefined ? undefined : makeToken(next) }
}

function makeToken(position: string): string {
  return TOKEN_MARK + Buffer.from(position, 'utf8').toString('base64url')
}

/** Where a backend's listing goes on, and the last name before: the next page is known from there. */
function makePosition(token: string, page: ListResult): string {
  const names = [page.objects.at(-1)?.key, page.commonPrefixes.at(-1)]
  const known = names.filter((name) => name !== undefined)
  const after = known.reduce((a, b) => (compareKeys(a, b) < 0 ? b : a), known[0] ?? '')
  return makeToken(JSON.stringify([after, token]))
}

function readPosition(text: string): { readonly after: string; readonly token: string } {
  try {
    const position: unknown = JSON.parse(readToken(text))
    if (Array.isArray(position) && position.length === 2) {
      const [after, token]: readonly unknown[] = position
      if (typeof after === 'string' && typeof token === 'string') return { after, token }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw notOurs()
}

function readToken(token: string): string {
  const encoded = token.slice(TOKEN_MARK.length)
  const position = Buffer.from(encoded, 'base64url').toString('utf8')
  if (!token.startsWith(TOKEN_MARK) || position === '' || makeToken(position) !== token) {
    throw notOurs()
  }
  return position
}

function notOurs(): Failure {
  return new Failure(
    'argument-invalid',
    'the continuation token is not one that a listing of this bucket gave',
  )
}
