/**
 * Lists of buckets in which archives are folders, as AIStore has it: behind an archive come its members.
 * Archives that are not whole in the cache stay closed; nothing is fetched to be listed.
 */
import { type ArchiveFormat, formatOfName } from '@forebay/archive/format'
import { readArchive, readTarFrom, tarEndOf } from '@forebay/archive/reader'
import { Failure, isFailure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import type { ListRequest, TargetPort } from '@forebay/peer/target-port'
import { ArchiveObject } from './archive-object.ts'

/** One name of such a list. */
export interface OpenedEntry {
  readonly kind: 'object' | 'archive' | 'member' | 'folder'
  readonly name: string
  readonly sizeBytes: number
  /** Absent for members and folders. */
  readonly object?: ListedObject | undefined
}

export interface OpenedPage {
  readonly entries: readonly OpenedEntry[]
  readonly nextToken: string | undefined
}

/** Where a page begins. */
interface Place {
  /** Of the store's page that its names are of; empty: the first. */
  readonly token: string
  /** Names up to this one were told; empty: none of the page. */
  readonly after: string
  /** Of the archive `after`, how many members; absent: all. */
  readonly members?: number | undefined
  /** Of a TAR, where the header behind them is, in the version `etag`: it need not be walked over again. */
  readonly offsetBytes?: number | undefined
  readonly etag?: string | undefined
}

/**
 * One page of names, and of members in their places.
 *
 * @throws Failure `argument-invalid` for a token that is none of ours, and as `TargetPort.list`
 */
export async function listMembers(target: TargetPort, request: ListRequest): Promise<OpenedPage> {
  const page = new Page(request.pageMax)
  let place = request.token === undefined ? BEGIN : readToken(request.token)
  const inside = await archiveAround(target, request)
  if (inside !== undefined) {
    const next = await addMembers(page, target, { request, ...inside, place })
    return { entries: page.entries, nextToken: page.isFull ? makeToken(next) : undefined }
  }
  for (;;) {
    const token = place.token === '' ? undefined : place.token
    const listed = await target.list({ ...request, token })
    const next = await addPage(page, target, { request, place, listed })
    if (next === undefined) return { entries: page.entries, nextToken: undefined }
    if (page.entries.length > 0) return { entries: page.entries, nextToken: makeToken(next) }
    place = next
  }
}

const BEGIN: Place = { token: '', after: '' }

/** @returns where the next page begins */
async function addPage(
  page: Page,
  target: TargetPort,
  from: {
    readonly request: ListRequest
    readonly place: Place
    readonly listed: Awaited<ReturnType<TargetPort['list']>>
  },
): Promise<Place | undefined> {
  const { request, place, listed } = from
  // Folders stand once, where their page begins.
  if (place.after === '') for (const name of listed.commonPrefixes) page.add(folder(name))
  for (const [at, object] of listed.objects.entries()) {
    const order = compareKeys(object.key, place.after)
    const skip = order === 0 ? place.members : undefined
    if (order < 0 || (order === 0 && skip === undefined)) continue
    if (page.isFull) return { token: place.token, after: listed.objects[at - 1]?.key ?? '' }
    const format = formatOfName(object.key)
    if (skip === undefined) page.add(entryOf(object, format))
    if (format === undefined || !(await isAtHand(target, request, object))) continue
    const from = skip === undefined ? { ...BEGIN, token: place.token } : place
    const next = await addMembers(page, target, { request, object, format, place: from })
    if (page.isFull) return next
  }
  return listed.nextToken === undefined ? undefined : { token: listed.nextToken, after: '' }
}

function entryOf(object: ListedObject, format: ArchiveFormat | undefined): OpenedEntry {
  const kind = format === undefined ? 'object' : 'archive'
  return { kind, name: object.key, sizeBytes: object.sizeBytes, object }
}

function folder(name: string): OpenedEntry {
  return { kind: 'folder', name, sizeBytes: 0 }
}

/** Gathers entries up to the size of a page. */
class Page {
  readonly entries: OpenedEntry[] = []
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  get isFull(): boolean {
    return this.entries.length >= this.#max
  }

  add(entry: OpenedEntry): void {
    this.entries.push(entry)
  }
}

/** The archive that the prefix leads into, where there is one. */
async function archiveAround(
  target: TargetPort,
  { bucket, prefix, signal }: ListRequest,
): Promise<{ readonly object: ListedObject; readonly format: ArchiveFormat } | undefined> {
  for (let slash = prefix.indexOf('/'); slash >= 0; slash = prefix.indexOf('/', slash + 1)) {
    const key = prefix.slice(0, slash)
    const format = formatOfName(key)
    if (format === undefined) continue
    const head = await target.head({ bucket, key, conditions: {}, signal })
    if (head.kind !== 'found') continue
    const { sizeBytes, etag, lastModifiedMs } = head.attributes
    if (head.cachedBytes < sizeBytes) return undefined
    return { object: { key, sizeBytes, etag, lastModifiedMs }, format }
  }
  return undefined
}

async function isAtHand(
  target: TargetPort,
  { bucket, signal }: ListRequest,
  { key, etag }: ListedObject,
): Promise<boolean> {
  if (etag === '') return false
  if (bucket.backend === undefined) return true
  const { state, etag: cached } = await target.explain({ bucket, key, conditions: {}, signal })
  return state === 'whole' && cached === etag
}

/**
 * Adds members until the page is full, from the place on.
 *
 * @returns the place behind them
 */
async function addMembers(
  page: Page,
  target: TargetPort,
  from: {
    readonly request: ListRequest
    readonly object: ListedObject
    readonly format: ArchiveFormat
    readonly place: Place
  },
): Promise<Place> {
  const { request, object, format, place } = from
  const { bucket, prefix, signal } = request
  const { key, etag } = object
  const file = new ArchiveObject({ target, bucket, key, attributes: object, signal })
  const skip = place.members ?? 0
  const isKnown = format === 'tar' && place.etag === etag
  let offsetBytes = isKnown ? (place.offsetBytes ?? 0) : 0
  let count = offsetBytes > 0 ? skip : 0
  const entries = offsetBytes > 0 ? readTarFrom(file, offsetBytes) : readArchive(format, file)
  try {
    for await (const entry of entries) {
      signal.throwIfAborted()
      const name = `${key}/${entry.name}`
      if (entry.kind !== 'member' || !name.startsWith(prefix)) continue
      if (count >= skip) {
        if (page.isFull) break
        page.add({ kind: 'member', name, sizeBytes: entry.sizeBytes })
      }
      count += 1
      offsetBytes = tarEndOf(entry)
    }
  } catch (error) {
    // One that is broken, or is being replaced, is listed as what it is.
    if (!isFailure(error, 'archive-invalid', 'precondition-failed')) throw error
  }
  const behind = { token: place.token, after: key, members: count }
  return format === 'tar' ? { ...behind, offsetBytes, etag } : behind
}

/** Begins every token of such a list. */
const TOKEN_MARK = 'a.'

function makeToken(place: Place): string {
  return `${TOKEN_MARK}${Buffer.from(JSON.stringify(place)).toString('base64url')}`
}

/** @throws Failure `argument-invalid` */
function readToken(token: string): Place {
  const text = Buffer.from(token.slice(TOKEN_MARK.length), 'base64url').toString('utf8')
  const place = token.startsWith(TOKEN_MARK) ? parsePlace(text) : undefined
  if (place !== undefined) return place
  throw new Failure('argument-invalid', 'the continuation token is none of a list of archives')
}

function parsePlace(text: string): Place | undefined {
  let place: unknown
  try {
    place = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof place !== 'object' || place === null) return undefined
  const { token, after, members, offsetBytes, etag }: { readonly [name in keyof Place]?: unknown } =
    place
  if (typeof token !== 'string' || typeof after !== 'string') return undefined
  return {
    ...{ token, after, members: countOf(members), offsetBytes: countOf(offsetBytes) },
    etag: typeof etag === 'string' ? etag : undefined,
  }
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : undefined
}
