import { Failure } from '@forebay/base/failure'
import { checkKey } from '@forebay/model/key'
import type { Fields } from './fields.ts'
import type { JsonObject } from './json.ts'
import { encodeMsgpack, type Packable } from './msgpack.ts'

/** Names in one page of the native listing (AIStore: 10,000 for its own buckets). */
export const NATIVE_PAGE_MAX = 10_000

/** Names in one page of a listing that a backend answers (AIStore). */
export const BACKEND_PAGE_MAX = 1000

/** Longest continuation token taken, characters: a key of 1,024 bytes, escaped, and a frame. */
const TOKEN_LENGTH_MAX = 8192

/** Bits of the request's flags that change the answer; others only save AIStore work. */
export const LIST_FLAGS = {
  cached: 1,
  archives: 8,
  nameOnly: 16,
  notCached: 512,
  noRecursion: 2048,
  noDirectories: 8192,
  inventory: 32768,
} as const

/** Flags of an entry. */
const ENTRY_CACHED = 64
const ENTRY_MEMBER = 128
const ENTRY_DIRECTORY = 256
const ENTRY_ARCHIVE = 512

/** A request for one page of a bucket. */
export interface ListMessage {
  readonly uuid: string
  readonly prefix: string
  readonly startAfter: string | undefined
  readonly continuationToken: string | undefined
  /** 0: as many as the server gives. */
  readonly pageSize: number
  readonly properties: ReadonlySet<string>
  readonly flags: number
}

/** One name of a page; a directory ends in `/` and has no size. */
export interface ListEntry {
  readonly name: string
  readonly directory: boolean
  /** Where archives are folders: an archive, or what is in one. */
  readonly of?: 'archive' | 'member' | undefined
  readonly sizeBytes: number
  readonly cached: boolean
  readonly etag: string | undefined
  readonly lastModifiedMs: number | undefined
}

export interface ListPage {
  /** The same on every page of a listing: 9..32 letters and digits. */
  readonly uuid: string
  /** Empty on the last page. */
  readonly continuationToken: string
  readonly entries: readonly ListEntry[]
}

/** @throws Failure `argument-invalid` | `key-too-long` | `key-invalid` | `not-implemented` */
export function decodeListMessage(fields: Fields): ListMessage {
  const flags = fields.integer('flags', { min: 0, max: 2 ** 32 - 1 }) ?? 0
  if ((flags & LIST_FLAGS.notCached) !== 0) {
    throw new Failure('not-implemented', `list flag ${LIST_FLAGS.notCached} is not built yet`)
  }
  const props = fields.text('props') ?? ''
  return {
    uuid: checkUuid(fields.text('uuid') ?? ''),
    prefix: checkOptionalKey(fields.text('prefix')) ?? '',
    startAfter: checkOptionalKey(fields.text('start_after')),
    continuationToken: checkToken(fields.text('continuation_token')),
    pageSize: fields.integer('pagesize', { min: 0, max: 1_000_000 }) ?? 0,
    properties: new Set(props.split(',').map((name) => name.trim())),
    flags,
  }
}

/** The page as JSON. Sizes are decimal strings, as AIStore's clients require. */
export function encodeListJson(page: ListPage, message: ListMessage): JsonObject {
  return {
    uuid: page.uuid,
    continuation_token: page.continuationToken,
    entries: page.entries.map((entry) => encodeEntry(entry, message)),
    flags: 0,
  }
}

/** The page as MessagePack: the form that AIStore's Python client requires. */
export function encodeListMsgpack(page: ListPage, message: ListMessage): Buffer {
  const entries = page.entries.map((entry): ReadonlyMap<string, Packable> => {
    const { custom, flags, sizeBytes } = selectEntry(entry, message)
    const packed = new Map<string, Packable>([['n', entry.name]])
    if (custom !== undefined) packed.set('m', custom)
    if (sizeBytes !== undefined && sizeBytes > 0) packed.set('s', sizeBytes)
    if (flags !== 0) packed.set('f', flags)
    return packed
  })
  return encodeMsgpack(
    new Map<string, Packable>([
      ['UUID', page.uuid],
      ['ContinuationToken', page.continuationToken],
      ['Entries', entries],
      ['Flags', 0],
    ]),
  )
}

function encodeEntry(entry: ListEntry, message: ListMessage): JsonObject {
  const { custom, flags, sizeBytes } = selectEntry(entry, message)
  return {
    name: entry.name,
    ...(custom === undefined ? {} : { 'custom-md': custom }),
    ...(sizeBytes === undefined ? {} : { size: String(sizeBytes) }),
    ...(flags === 0 ? {} : { flags }),
  }
}

interface SelectedEntry {
  readonly sizeBytes: number | undefined
  readonly custom: string | undefined
  readonly flags: number
}

/** The values of an entry that the request asked for. */
function selectEntry(entry: ListEntry, message: ListMessage): SelectedEntry {
  const flags =
    (entry.cached ? ENTRY_CACHED : 0) |
    (entry.directory ? ENTRY_DIRECTORY : 0) |
    (entry.of === 'archive' ? ENTRY_ARCHIVE : 0) |
    (entry.of === 'member' ? ENTRY_MEMBER : 0)
  const nameOnly = (message.flags & LIST_FLAGS.nameOnly) !== 0
  if (nameOnly || entry.directory) return { sizeBytes: undefined, custom: undefined, flags }
  const { properties } = message
  const all = properties.size === 0 || properties.has('')
  return {
    sizeBytes: all || properties.has('size') ? entry.sizeBytes : undefined,
    custom: properties.has('custom') ? customText(entry) : undefined,
    flags,
  }
}

function customText(entry: ListEntry): string | undefined {
  const { etag, lastModifiedMs } = entry
  if (etag === undefined || lastModifiedMs === undefined) return undefined
  const date = new Date(lastModifiedMs).toISOString().replace(/\.\d{3}Z$/, 'Z')
  return `[ETag:${etag} LastModified:${date}]`
}

function checkUuid(uuid: string): string {
  if (uuid === '' || /^[A-Za-z0-9][A-Za-z0-9_-]{7,30}[A-Za-z0-9]$/.test(uuid)) return uuid
  throw new Failure('argument-invalid', 'uuid of a listing must be 9..32 letters and digits')
}

function checkOptionalKey(key: string | undefined): string | undefined {
  return key === undefined || key === '' ? undefined : checkKey(key)
}

function checkToken(token: string | undefined): string | undefined {
  if (token === undefined || token === '') return undefined
  if (token.length <= TOKEN_LENGTH_MAX) return token
  throw new Failure('argument-invalid', 'continuation_token is too long to be one of ours')
}
