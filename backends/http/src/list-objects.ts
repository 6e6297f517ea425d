import type { ListOptions, ListResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import { datedTag } from './answer-headers.ts'
import { describeUrl } from './http-source.ts'
import type { IndexPages, KeyEntry } from './index-pages.ts'
import { headObject, type Place } from './read-object.ts'

/** Index pages that one page of a listing asks for; the next page goes on behind them. */
export const INDEX_REQUESTS_MAX = 64

/** Time after which a page of a listing ends with what it has, ms; the answer's deadline is later. */
export const LIST_TIME_MAX_MS = 10_000

/** Directories below one another; deeper ones are most likely a link in a circle. */
export const DEPTH_MAX = 64

/** HEAD requests at a time for what an index page does not tell. */
export const HEADS_AT_ONCE = 16

/** A directory tree that can be listed. */
export interface Tree extends Place {
  readonly pages: IndexPages
}

/**
 * One page of names, from the index pages of the server, in the order of keys. A page may be short, or
 * empty, and still name a next one: the work for each is bounded.
 *
 * Size and date come from the index where it has them to the byte and the second, else from a HEAD.
 *
 * @throws Failure `bucket-not-found`, `not-implemented` where a directory on the way shows no index,
 *   `backend-denied` where one may not be listed: a list is complete or refused
 */
export async function listObjects(tree: Tree, options: ListOptions): Promise<ListResult> {
  options.signal.throwIfAborted()
  const deadlineAt = tree.connection.clock.monotonic() + LIST_TIME_MAX_MS
  const walk = new Walk(tree, options, deadlineAt)
  const { items, next } = await walk.run()
  return describeItems(tree, options, { items, next, deadlineAt })
}

type Item =
  | { readonly kind: 'object'; readonly entry: KeyEntry }
  | { readonly kind: 'prefix'; readonly prefix: string }

/** Where a listing stands: behind a key, or behind all keys with a prefix. */
interface Position {
  readonly after: string
  readonly rolledUp: boolean
}

class Walk {
  readonly #tree: Tree
  readonly #options: ListOptions
  readonly #deadlineAt: number
  readonly #from: Position
  readonly #items: Item[] = []
  #requestCount = 0
  #next: Position | undefined

  constructor(tree: Tree, options: ListOptions, deadlineAt: number) {
    this.#tree = tree
    this.#options = options
    this.#deadlineAt = deadlineAt
    const { startAfter = '', continuationToken } = options
    this.#from =
      continuationToken === undefined
        ? { after: startAfter, rolledUp: false }
        : readToken(continuationToken)
  }

  async run(): Promise<{ readonly items: readonly Item[]; readonly next: Position | undefined }> {
    const { prefix, pageMax } = this.#options
    const start = prefix.slice(0, prefix.lastIndexOf('/') + 1)
    // No object has such a key, though a server may take the path for another one.
    const odd = start
      .slice(0, -1)
      // Some servers take a backslash for a slash.
      .split(/[/\\]/)
      .some((name) => /^\.{0,2}$/.test(name))
    if (pageMax > 0 && !(odd && start !== '')) await this.#visit(start)
    return { items: this.#items, next: this.#next }
  }

  /** @returns false when the page is full */
  async #visit(directory: string): Promise<boolean> {
    const entries = await this.#entriesOf(directory)
    if (entries === undefined) return false
    for (const entry of entries) {
      if (!this.#isWanted(entry)) continue
      const prefix = this.#rollUp(entry.key)
      const inside = entry.kind === 'directory' && this.#isInside(entry.key)
      let goesOn: boolean
      if (prefix !== undefined && !inside) goesOn = this.#addPrefix(prefix)
      else if (entry.kind === 'directory') goesOn = await this.#visit(entry.key)
      else goesOn = this.#add({ kind: 'object', entry })
      if (!goesOn) return false
    }
    return true
  }

  /** @returns undefined when the work for this page is done */
  async #entriesOf(directory: string): Promise<readonly KeyEntry[] | undefined> {
    const { pages, source, connection } = this.#tree
    const { continuationToken, prefix, signal } = this.#options
    if (directory.split('/').length > DEPTH_MAX) {
      const message = `${describeUrl(source.url)}${directory} lies deeper than ${DEPTH_MAX} directories`
      throw new Failure('backend-refused', message)
    }
    const kept = continuationToken === undefined ? undefined : pages.kept(directory)
    if (kept !== undefined) return kept
    const late = connection.clock.monotonic() > this.#deadlineAt
    // What leads to the place to go on from is always read, or no page would get any further.
    const leads = this.#from.after.startsWith(directory) || prefix.startsWith(directory)
    if (!leads && (late || this.#requestCount >= INDEX_REQUESTS_MAX)) {
      this.#next = { after: directory, rolledUp: false }
      return undefined
    }
    this.#requestCount++
    const entries = await pages.read(directory, signal)
    if (entries !== undefined) return entries
    if (directory === '') {
      throw new Failure('bucket-not-found', `${describeUrl(source.url)} is not there`)
    }
    // Removed since its parent was read, or a prefix that nothing has.
    return []
  }

  /** True for what can lie in this listing and behind its start. */
  #isWanted(entry: KeyEntry): boolean {
    const { key } = entry
    if (!key.startsWith(this.#options.prefix)) return false
    const { after, rolledUp } = this.#from
    if (rolledUp && key.startsWith(after)) return false
    if (compareKeys(key, after) > 0) return true
    return entry.kind === 'directory' && after.startsWith(key)
  }

  /** True when the listing starts somewhere in the directory: what is left of it is to be seen. */
  #isInside(directory: string): boolean {
    const { after } = this.#from
    return after !== directory && after.startsWith(directory)
  }

  /** The key up to the first delimiter behind the listing's prefix. */
  #rollUp(key: string): string | undefined {
    const { prefix, delimiter = '' } = this.#options
    if (delimiter === '') return undefined
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }

  #addPrefix(prefix: string): boolean {
    const final = this.#items.at(-1)
    if (final?.kind === 'prefix' && final.prefix === prefix) return true
    return this.#add({ kind: 'prefix', prefix })
  }

  #add(item: Item): boolean {
    const final = this.#items.at(-1)
    if (final !== undefined && this.#items.length >= this.#options.pageMax) {
      this.#next = positionOf(final)
      return false
    }
    this.#items.push(item)
    return true
  }
}

function positionOf(item: Item): Position {
  return item.kind === 'prefix'
    ? { after: item.prefix, rolledUp: true }
    : { after: item.entry.key, rolledUp: false }
}

interface Walked {
  readonly items: readonly Item[]
  readonly next: Position | undefined
  readonly deadlineAt: number
}

/** The page with what HEADs add to it; cut where the time for them is over. */
async function describeItems(
  tree: Tree,
  options: ListOptions,
  { items, next, deadlineAt }: Walked,
): Promise<ListResult> {
  const objects: ListedObject[] = []
  const commonPrefixes: string[] = []
  let final: Item | undefined
  for (let at = 0; at < items.length; at += HEADS_AT_ONCE) {
    if (final !== undefined && tree.connection.clock.monotonic() > deadlineAt) {
      return { objects, commonPrefixes, nextToken: makeToken(positionOf(final)) }
    }
    const batch = items.slice(at, at + HEADS_AT_ONCE)
    for (const described of await Promise.all(
      batch.map((item) => describeItem(tree, options, item)),
    )) {
      if (typeof described === 'string') commonPrefixes.push(described)
      else if (described !== undefined) objects.push(described)
    }
    final = batch.at(-1)
  }
  return {
    objects,
    commonPrefixes,
    nextToken: next === undefined ? undefined : makeToken(next),
  }
}

async function describeItem(
  tree: Tree,
  options: ListOptions,
  item: Item,
): Promise<ListedObject | string | undefined> {
  if (item.kind === 'prefix') return item.prefix
  const { key, exact } = item.entry
  if (exact !== undefined) {
    return { key, ...exact, etag: datedTag(exact.lastModifiedMs, exact.sizeBytes) }
  }
  return listedByHead(tree, key, options.signal)
}

/** An object as its HEAD describes it; `undefined` when it is gone. */
export async function listedByHead(
  place: Place,
  key: string,
  signal: AbortSignal,
): Promise<ListedObject | undefined> {
  const head = await headObject(place, { key, signal })
  if (head.kind === 'absent') return undefined
  const { sizeBytes, etag, lastModifiedMs } = head.attributes
  return { key, sizeBytes, etag, lastModifiedMs }
}

/** Tokens say where to go on, so that they hold whatever happens to the server or to this node. */
function makeToken({ after, rolledUp }: Position): string {
  return (rolledUp ? 'p' : 'k') + after
}

function readToken(token: string): Position {
  if (!/^[kp]/.test(token)) {
    throw new Failure('argument-invalid', 'the continuation token is not one of this listing')
  }
  return { after: token.slice(1), rolledUp: token.startsWith('p') }
}
