/**
 * Files below a directory of a web server, from its index pages, in the order of their keys. Where a step
 * ends is a place in that order, so the cursor is small however wide the tree is, and what appears or
 * goes between two steps neither repeats nor hides anything else. Each step looks again at what leads to
 * its place.
 */

import type { WebEntry } from '@forebay/backend-port/web'
import { Failure, isFailure } from '@forebay/base/failure'
import { KEY_BYTES_MAX } from '@forebay/base/limits'
import { PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import { DOWNLOAD_DEPTH_MAX, type DownloadArgs } from '@forebay/jobs/kinds/download'
import { compareKeys } from '@forebay/model/key'
import type { Finding, FoundPage, ListContext } from './download-found.ts'

/** Index pages that one step reads beyond those that lead to its place. */
export const INDEX_REQUESTS_MAX = 64

/** How long the later steps of a list may use what an earlier one read, ms. */
const INDEX_AGE_MAX_MS = 60_000

/** Time after which a step ends with what it has, ms. */
const STEP_MS_MAX = 10_000

/** Directories below one another that show the same directories, and no file, before that is a circle. */
const CHANCE_LEVELS_MAX = 3

/** Where a step ended: behind a key, or behind all keys with a prefix. */
interface Position {
  readonly after: string
  readonly whole: boolean
}

interface Directory {
  /** What keys in it begin with: empty, or ending in a slash. */
  readonly key: string
  readonly url: URL
  readonly depth: number
  readonly entries: readonly WebEntry[]
  readonly parent: Directory | undefined
}

/**
 * The next step of a crawl.
 *
 * A directory that cannot be listed for good (no index, not allowed, not there, a link in a circle) is a
 * finding that fails; the rest of the tree goes on. One that fails for the moment fails the step.
 *
 * @throws Failure `object-not-found` | `not-implemented` | `backend-*` of the first directory
 */
export async function listDirectory(
  context: ListContext,
  args: DownloadArgs & { readonly directory: string },
  at: string | undefined,
): Promise<FoundPage> {
  const crawl = new Crawl(context, args.depth, at)
  return crawl.run(context.web.checkUrl(args.directory))
}

class Crawl {
  readonly #context: ListContext
  readonly #depthMax: number | undefined
  readonly #from: Position
  readonly #deadlineAt: number
  readonly #findings: Finding[] = []
  readonly #keptMs: number
  #requests = 0
  /** Everything up to here is found. */
  #reached: Position

  constructor(context: ListContext, depthMax: number | undefined, at: string | undefined) {
    this.#context = context
    this.#depthMax = depthMax
    this.#from = readPosition(at)
    this.#reached = this.#from
    this.#keptMs = at === undefined ? 0 : INDEX_AGE_MAX_MS
    this.#deadlineAt = context.clock.monotonic() + STEP_MS_MAX
  }

  async run(url: URL): Promise<FoundPage> {
    const entries = await this.#read(url)
    if (entries === undefined) {
      throw new Failure('object-not-found', `${url.origin}${url.pathname} is not there`)
    }
    const root = { key: '', url, depth: 0, entries, parent: undefined }
    const complete = await this.#visit(root)
    return { findings: this.#findings, at: complete ? undefined : positionText(this.#reached) }
  }

  /** @returns false when the step is full */
  async #visit(directory: Directory): Promise<boolean> {
    for (const entry of inOrder(directory.entries)) {
      const isDirectory = entry.kind === 'directory'
      const key = `${directory.key}${entry.name}${isDirectory ? '/' : ''}`
      if (!this.#isWanted(key, isDirectory)) continue
      if (this.#findings.length >= PAGE_ITEMS_MAX) return false
      const url = new URL(`./${encodeURIComponent(entry.name)}`, directory.url)
      if (isDirectory) {
        url.pathname += '/'
        if (!(await this.#enter(directory, key, url))) return false
      } else {
        this.#findings.push({ name: key, url: url.href, sizeBytes: entry.exact?.sizeBytes })
      }
      this.#reached = { after: key, whole: isDirectory }
    }
    return true
  }

  /** @returns false when the step is full */
  async #enter(parent: Directory, key: string, url: URL): Promise<boolean> {
    const depth = parent.depth + 1
    if (depth > (this.#depthMax ?? DOWNLOAD_DEPTH_MAX)) {
      if (this.#depthMax === undefined) {
        this.#addNotRead(key, url, `it lies deeper than ${DOWNLOAD_DEPTH_MAX} directories`)
      }
      return true
    }
    if (Buffer.byteLength(key) > KEY_BYTES_MAX) {
      this.#addNotRead(key, url, `its name is longer than ${KEY_BYTES_MAX} bytes`)
      return true
    }
    const leads = this.#from.after.startsWith(key)
    if (!leads && this.#isFull()) return false
    if (!leads) this.#requests += 1
    let entries: readonly WebEntry[] | undefined
    try {
      entries = await this.#read(url)
    } catch (error) {
      if (!isFailure(error) || error.retryable) throw error
      this.#addNotRead(key, url, error.message)
      return true
    }
    if (entries === undefined) {
      this.#addNotRead(key, url, 'it is not there')
      return true
    }
    const circle = circleOf(parent, entries)
    if (circle !== undefined) {
      const { origin, pathname } = circle.url
      this.#addNotRead(key, url, `it shows what ${origin}${pathname} shows: a link in a circle`)
      return true
    }
    // Here the next step goes on, and this directory then counts as one that leads there.
    this.#reached = { after: key, whole: false }
    return this.#visit({ key, url, depth, entries, parent })
  }

  #isFull(): boolean {
    if (this.#requests >= INDEX_REQUESTS_MAX) return true
    // One directory in any case, or no step would get any further.
    return this.#requests > 0 && this.#context.clock.monotonic() > this.#deadlineAt
  }

  #addNotRead(key: string, url: URL, why: string): void {
    const notRead = `the directory ${url.origin}${url.pathname} was not read: ${why}`
    this.#findings.push({ name: key, url: url.href, notRead })
  }

  #read(url: URL): Promise<readonly WebEntry[] | undefined> {
    const { web, headers, signal } = this.#context
    return web.readIndex({ url, headers, signal, keptMs: this.#keptMs })
  }

  #isWanted(key: string, isDirectory: boolean): boolean {
    const { after, whole } = this.#from
    if (whole && key.startsWith(after)) return false
    if (compareKeys(key, after) > 0) return true
    return isDirectory && after.startsWith(key)
  }
}

/** In the order of their keys: a directory's has a slash at its end. */
function inOrder(entries: readonly WebEntry[]): readonly WebEntry[] {
  const keyOf = ({ name, kind }: WebEntry): string => (kind === 'directory' ? `${name}/` : name)
  return entries.toSorted((a, b) => compareKeys(keyOf(a), keyOf(b)))
}

/**
 * A directory that entries lie below and that shows the very same: then a link leads back there. Names of
 * directories alone may be the same by chance (`data/data/`), though not again and again.
 */
function circleOf(parent: Directory, entries: readonly WebEntry[]): Directory | undefined {
  if (!entries.some(({ kind }) => kind === 'directory')) return undefined
  const same: Directory[] = []
  for (let at: Directory | undefined = parent; at !== undefined; at = at.parent) {
    if (sameEntries(at.entries, entries)) same.push(at)
  }
  const hasFiles = entries.some(({ kind }) => kind === 'file')
  return same.length >= (hasFiles ? 1 : CHANCE_LEVELS_MAX) ? same[0] : undefined
}

function sameEntries(a: readonly WebEntry[], b: readonly WebEntry[]): boolean {
  if (a.length !== b.length) return false
  return a.every((entry, index) => {
    const other = b[index]
    return (
      other?.name === entry.name &&
      other.kind === entry.kind &&
      other.exact?.sizeBytes === entry.exact?.sizeBytes &&
      other.exact?.lastModifiedMs === entry.exact?.lastModifiedMs
    )
  })
}

function positionText({ after, whole }: Position): string {
  return (whole ? 'p' : 'k') + after
}

/** @throws Failure `argument-invalid` */
function readPosition(text: string | undefined): Position {
  if (text === undefined) return { after: '', whole: false }
  if (!/^[kp]/.test(text)) throw new Failure('argument-invalid', 'no place in a list of files')
  return { after: text.slice(1), whole: text.startsWith('p') }
}
