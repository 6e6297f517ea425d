import { Failure } from '@forebay/base/failure'
import { decodeName, describeUrl, isName } from './http-source.ts'

/** One name of a directory. */
export interface IndexEntry {
  readonly name: string
  readonly kind: 'file' | 'directory'
  /** Of a file, where the index tells both to the byte and the second. */
  readonly exact?: { readonly sizeBytes: number; readonly lastModifiedMs: number } | undefined
}

/** Names that one directory may have; 50,000 of them fill an index page of 8 MiB. */
export const INDEX_ENTRIES_MAX = 50_000

/** Links on one page: Apache has two for each name. */
export const INDEX_LINKS_MAX = 3 * INDEX_ENTRIES_MAX

/** Where the title of a page stands, characters from its start. */
const TITLE_WITHIN = 4096

/**
 * The names on an index page, each once, in the order of the page: nginx and what imitates it (JSON and
 * HTML), Apache, Python's `http.server`. Only what lies directly below the directory counts: no parent,
 * no other place, no link with a query (those sort).
 *
 * @param page the URL that was answered, after redirects
 * @throws Failure `not-implemented` when the page is no index, `backend-refused` when it is too long,
 *   `backend-corrupt` when it is broken
 */
export function parseIndexPage(
  text: string,
  page: URL,
  contentType: string,
): readonly IndexEntry[] {
  if (/^application\/json\b/i.test(contentType)) return readJson(text, page)
  if (!isHtmlIndex(text, contentType)) throw noIndex(page)
  return readHtml(text, page)
}

/** The directory is there but shows no names. */
export function noIndex(page: URL): Failure {
  return new Failure(
    'not-implemented',
    `${describeUrl(page)} shows no index page, so its objects can be read but not listed`,
    {
      hint: 'switch the index on at the web server (nginx: autoindex on; Apache: Options +Indexes)',
    },
  )
}

function isHtmlIndex(text: string, contentType: string): boolean {
  if (!/^(text\/html|application\/xhtml\+xml)\b/i.test(contentType)) return false
  const start = text.slice(0, TITLE_WITHIN)
  return /<title>\s*(index of|directory listing|listing of|directory:)/i.test(start)
}

/** nginx: `[{"name", "type": "file" | "directory" | "other", "mtime", "size"}]`. */
function readJson(text: string, page: URL): readonly IndexEntry[] {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch (cause) {
    throw new Failure('backend-corrupt', `${describeUrl(page)}: the index is no JSON`, { cause })
  }
  if (!Array.isArray(parsed) || !parsed.every(isJsonRow)) throw noIndex(page)
  const entries = new Map<string, IndexEntry>()
  for (const { name, type, mtime, size } of parsed) {
    if (!isName(name)) continue
    if (type === 'directory') addEntry(entries, { name, kind: 'directory' }, page)
    if (type !== 'file') continue
    const lastModifiedMs = mtime === undefined ? Number.NaN : Date.parse(mtime)
    const known = Number.isSafeInteger(size) && Number.isFinite(lastModifiedMs)
    const exact = known ? { sizeBytes: size ?? 0, lastModifiedMs } : undefined
    addEntry(entries, { name, kind: 'file', exact }, page)
  }
  return [...entries.values()]
}

interface JsonRow {
  readonly name: string
  readonly type: string
  readonly mtime?: string
  readonly size?: number
}

function isJsonRow(row: unknown): row is JsonRow {
  if (typeof row !== 'object' || row === null) return false
  if (!('name' in row && typeof row.name === 'string')) return false
  if (!('type' in row && typeof row.type === 'string')) return false
  if ('mtime' in row && typeof row.mtime !== 'string') return false
  return !('size' in row) || typeof row.size === 'number'
}

function readHtml(text: string, page: URL): readonly IndexEntry[] {
  const entries = new Map<string, IndexEntry>()
  let linkCount = 0
  // Neither part looks past the next bracket, so a page of brackets costs no more than another.
  for (const [, attributes = ''] of text.matchAll(/<a\s([^<>]*)>/gi)) {
    linkCount++
    if (linkCount > INDEX_LINKS_MAX) {
      const message = `${describeUrl(page)} has more than ${INDEX_LINKS_MAX} links`
      throw new Failure('backend-refused', message)
    }
    const entry = readLink(attributes, page)
    if (entry !== undefined) addEntry(entries, entry, page)
  }
  return [...entries.values()]
}

function addEntry(entries: Map<string, IndexEntry>, entry: IndexEntry, page: URL): void {
  const id = entry.kind === 'directory' ? `${entry.name}/` : entry.name
  if (!entries.has(id)) entries.set(id, entry)
  if (entries.size <= INDEX_ENTRIES_MAX) return
  const message = `${describeUrl(page)} has more than ${INDEX_ENTRIES_MAX} names`
  throw new Failure('backend-refused', message)
}

function readLink(attributes: string, page: URL): IndexEntry | undefined {
  const href = /(?:^|\s)href\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"']+))/i.exec(attributes)
  const address = decodeEntities(href?.[1] ?? href?.[2] ?? href?.[3] ?? '')
  const url = URL.parse(address, page)
  if (url === null || url.origin !== page.origin || !url.pathname.startsWith(page.pathname)) {
    return undefined
  }
  // A bare "?" or "#" leaves no trace in the parsed URL.
  if (/[?#]/.test(address)) return undefined
  const rest = url.pathname.slice(page.pathname.length)
  const isDirectory = rest.endsWith('/')
  const name = decodeName(isDirectory ? rest.slice(0, -1) : rest)
  return name === undefined ? undefined : { name, kind: isDirectory ? 'directory' : 'file' }
}

const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

/** The entities that servers write in links: the five of XML and numbers. */
function decodeEntities(text: string): string {
  return text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,4}));/gi, (whole, ...found) => {
    const [decimal, hex, name] = found.map((part) => (typeof part === 'string' ? part : undefined))
    if (name !== undefined) return ENTITIES.get(name.toLowerCase()) ?? whole
    const code = decimal === undefined ? Number.parseInt(hex ?? '', 16) : Number(decimal)
    return code <= 0x10ffff ? String.fromCodePoint(code) : whole
  })
}
