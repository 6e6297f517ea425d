import { Failure } from '@forebay/base/failure'
import { KEY_BYTES_MAX, LIST_PAGE_MAX } from '@forebay/base/limits'
import type { ListAnswer, ListRequest } from '@forebay/peer/target-port'
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
  const { bucket, prefix, delimiter, after, signal } = request
  const continuationToken = request.token === undefined ? undefined : readToken(request.token)
  if (pageMax === 0) return { objects: [], commonPrefixes: [], nextToken: undefined }
  const backend = context.backendOf(bucket)
  const page = await backend.list({
    prefix,
    delimiter,
    startAfter: continuationToken === undefined ? after : undefined,
    continuationToken,
    pageMax: Math.min(pageMax, backend.capabilities.listPageMax),
    signal,
  })
  for (const { key, etag } of page.objects) {
    const record = context.store.get(bucket.id, key)
    if (record !== undefined && record.attributes.etag !== etag)
      context.store.expire(bucket.id, key)
  }
  const { objects, commonPrefixes, nextToken } = page
  return {
    objects,
    commonPrefixes,
    nextToken: nextToken === undefined ? undefined : makeToken(nextToken),
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

function readToken(token: string): string {
  const encoded = token.slice(TOKEN_MARK.length)
  const position = Buffer.from(encoded, 'base64url').toString('utf8')
  if (!token.startsWith(TOKEN_MARK) || position === '' || makeToken(position) !== token) {
    throw new Failure(
      'argument-invalid',
      'the continuation token is not one that a listing of this bucket gave',
    )
  }
  return position
}
