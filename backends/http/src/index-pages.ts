import { headerOf } from '@forebay/backend-transport/exchange'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import { encodePath } from '@forebay/s3/sigv4/canonical'
import { encodingOf, isDelimited } from './answer-headers.ts'
import { failureOf } from './classify-answer.ts'
import {
  type Connection,
  describe,
  sendRequest,
  skipBody,
  type WebAnswer,
  type WebRequest,
} from './connection.ts'
import { describeUrl } from './http-source.ts'
import { type IndexEntry, noIndex, parseIndexPage } from './index-page.ts'
import { readBytes } from './untold-length.ts'

/** One index page, bytes; parsing 50,000 names of it takes the event loop about 0.1 s. */
export const INDEX_BYTES_MAX = 8 * 1024 ** 2

/** How long the later pages of a listing may use what an earlier one has read, ms. */
export const INDEX_AGE_MAX_MS = 60_000

/** Names that are kept for the later pages of listings, all directories of one bucket together. */
export const INDEX_KEPT_MAX = 200_000

/** A name with all that stands before it: the key of an object, or of a directory with its slash. */
export interface KeyEntry {
  readonly key: string
  readonly kind: IndexEntry['kind']
  readonly exact: IndexEntry['exact']
}

interface Kept {
  readonly entries: readonly KeyEntry[]
  readonly readAt: number
}

/** The index pages of one directory tree. */
export class IndexPages {
  readonly #connection: Connection
  readonly #root: URL
  readonly #kept = new Map<string, Kept>()
  #keptCount = 0

  /** @param root URL of the directory, with a slash at its end */
  constructor(connection: Connection, root: URL) {
    this.#connection = connection
    this.#root = root
  }

  /** What an earlier page of the listing has read, unless it is too old. */
  kept(directory: string): readonly KeyEntry[] | undefined {
    const kept = this.#kept.get(directory)
    if (kept === undefined) return undefined
    if (this.#connection.clock.monotonic() - kept.readAt <= INDEX_AGE_MAX_MS) return kept.entries
    this.#drop(directory, kept)
    return undefined
  }

  /**
   * The names of a directory as the server shows them now, in the order of their keys; `undefined` when
   * it is not there.
   *
   * @param directory what keys in it begin with: empty, or ending in a slash
   * @throws Failure `not-implemented` when it shows no index page, or a `backend-*` code
   */
  async read(directory: string, signal: AbortSignal): Promise<readonly KeyEntry[] | undefined> {
    const url = new URL(this.#root.href + encodePath(directory))
    const entries = await readIndex(this.#connection, { method: 'GET', url, headers: {}, signal })
    if (entries === undefined) return undefined
    const keys = entries.map(({ name, kind, exact }) => {
      const key = `${directory}${name}${kind === 'directory' ? '/' : ''}`
      return { key, kind, exact }
    })
    keys.sort((a, b) => compareKeys(a.key, b.key))
    this.#keep(directory, keys)
    return keys
  }

  #keep(directory: string, entries: readonly KeyEntry[]): void {
    const before = this.#kept.get(directory)
    if (before !== undefined) this.#drop(directory, before)
    this.#kept.set(directory, { entries, readAt: this.#connection.clock.monotonic() })
    this.#keptCount += entries.length + 1
    for (const [oldest, kept] of this.#kept) {
      if (this.#keptCount <= INDEX_KEPT_MAX) break
      this.#drop(oldest, kept)
    }
  }

  #drop(directory: string, kept: Kept): void {
    this.#kept.delete(directory)
    this.#keptCount -= kept.entries.length + 1
  }
}

/**
 * The names on the index page of a directory, in the order of the page; `undefined` when it is not there.
 *
 * @throws Failure `not-implemented` when it shows no index page, or a `backend-*` code
 */
export async function readIndex(
  connection: Connection,
  request: WebRequest,
): Promise<readonly IndexEntry[] | undefined> {
  const answer = await sendRequest(connection, request)
  if (answer.status !== 404 && answer.status !== 410) return readEntries(answer, request.url)
  await skipBody(answer)
  return undefined
}

async function readEntries(answer: WebAnswer, asked: URL): Promise<readonly IndexEntry[]> {
  const { status, headers, url } = answer
  const what = describe({ method: 'GET', url: asked })
  if (status !== 200) {
    await skipBody(answer)
    if (status === 403) throw mayNotList(asked)
    if (status === 405 || status === 501) throw noIndex(asked)
    throw failureOf(answer, what)
  }
  const encoding = encodingOf(headers)
  if (encoding !== undefined || !isDelimited(headers) || !url.pathname.endsWith('/')) {
    answer.body.discard()
    if (encoding === undefined) throw noIndex(asked)
    const message = `${what}: the index page is encoded (${encoding}) although nobody asked for that`
    throw new Failure('backend-refused', message)
  }
  const text = await readPage(answer, asked)
  return parseIndexPage(text, url, headerOf(headers, 'content-type') ?? '')
}

function mayNotList(directory: URL): Failure {
  const message = `${describeUrl(directory)} may not be listed (403), so no list would be complete`
  return new Failure('backend-denied', message, {
    hint: 'switch the index of the directory on at the web server; objects can be read without it',
  })
}

async function readPage(answer: WebAnswer, directory: URL): Promise<string> {
  const bytes = await readBytes(answer.body, INDEX_BYTES_MAX, () => {
    const message = `${describeUrl(directory)} has an index page over ${INDEX_BYTES_MAX} bytes`
    return new Failure('backend-refused', message)
  })
  return bytes.toString('utf8')
}
