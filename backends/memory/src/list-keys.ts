import type { ListOptions } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'

export interface KeyPage {
  readonly keys: readonly string[]
  readonly commonPrefixes: readonly string[]
  readonly nextToken: string | undefined
}

/** Where a page goes on: after a key, or after every key with a prefix. */
type Cursor =
  | { readonly kind: 'key'; readonly after: string }
  | { readonly kind: 'prefix'; readonly after: string }

/**
 * One page of a listing, by the rules of ListObjectsV2.
 *
 * @param sorted all keys in the order of `compareKeys`
 * @throws Failure `backend-refused` for a token that is none
 */
export function listKeys(sorted: readonly string[], options: ListOptions): KeyPage {
  if (options.pageMax === 0) return { keys: [], commonPrefixes: [], nextToken: undefined }
  const keys: string[] = []
  const commonPrefixes: string[] = []
  let cursor = readCursor(options)
  let at = Math.max(
    firstAt(sorted, options.prefix),
    cursor === undefined ? 0 : skip(sorted, cursor),
  )
  while (at < sorted.length) {
    const key = sorted[at] ?? ''
    if (!key.startsWith(options.prefix)) break
    if (keys.length + commonPrefixes.length >= options.pageMax) {
      return { keys, commonPrefixes, nextToken: cursor && writeToken(cursor) }
    }
    const common = commonPrefixOf(key, options)
    if (common === undefined) {
      keys.push(key)
      cursor = { kind: 'key', after: key }
      at += 1
    } else {
      commonPrefixes.push(common)
      cursor = { kind: 'prefix', after: common }
      at = skip(sorted, cursor)
    }
  }
  return { keys, commonPrefixes, nextToken: undefined }
}

function commonPrefixOf(key: string, options: ListOptions): string | undefined {
  const { delimiter, prefix } = options
  if (delimiter === undefined || delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

/** A continuation token wins over `startAfter` (S3 API). */
function readCursor(options: ListOptions): Cursor | undefined {
  if (options.continuationToken !== undefined) return readToken(options.continuationToken)
  return options.startAfter === undefined ? undefined : { kind: 'key', after: options.startAfter }
}

/** Index of the first key behind the cursor. */
function skip(sorted: readonly string[], cursor: Cursor): number {
  let at = firstAt(sorted, cursor.after)
  if (cursor.kind === 'key') return sorted[at] === cursor.after ? at + 1 : at
  while (at < sorted.length && (sorted[at] ?? '').startsWith(cursor.after)) at += 1
  return at
}

/** Index of the first key that is not before `bound`. */
function firstAt(sorted: readonly string[], bound: string): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareKeys(sorted[middle] ?? '', bound) < 0) low = middle + 1
    else high = middle
  }
  return low
}

function writeToken(cursor: Cursor): string {
  return Buffer.from(`${cursor.kind}:${cursor.after}`).toString('base64url')
}

function readToken(token: string): Cursor {
  const text = Buffer.from(token, 'base64url').toString()
  const at = text.indexOf(':')
  const kind = text.slice(0, Math.max(at, 0))
  if (kind !== 'key' && kind !== 'prefix') {
    throw new Failure('backend-refused', 'the continuation token is not one of this store')
  }
  return { kind, after: text.slice(at + 1) }
}
