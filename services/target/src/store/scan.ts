import { Buffer } from 'node:buffer'
import type { ListedObject } from '@forebay/model/object'
import type { ScanOptions, ScanPage } from './contract.ts'
import { encodeName, type IndexDatabases, nextAfterPrefix } from './index-db.ts'
import { decodeHeader, decodeListed, type RecordHeader } from './record-codec.ts'
import { type EntryName, splitName } from './record-index.ts'

/** Characters that the key codec puts before the key's text. */
const ID_CHARACTERS = 4

/**
 * One page of names in the order of UTF-8 bytes. Reads one snapshot and waits for nothing; a common
 * prefix costs one seek, however many names it stands for.
 */
export function scanPage(databases: IndexDatabases, options: ScanOptions): ScanPage {
  return new PageScan(databases, options).run()
}

export interface SweptEntry extends EntryName {
  readonly header: RecordHeader
  readonly bytes: Buffer
}

export interface SweepPage {
  readonly entries: readonly SweptEntry[]
  /** Where the next page starts; undefined at the end. */
  readonly next: Uint8Array | undefined
}

/** Entries with their facts from `start` on, at most `max`, over all buckets: for sweeps. */
export function sweepPage(databases: IndexDatabases, start: Uint8Array, max: number): SweepPage {
  const entries: SweptEntry[] = []
  let seen = 0
  let last: EntryName | undefined
  // lmdb's types know no key of our own encoding; `nameCodec` writes and reads it.
  const range = { start: start as never, limit: max }
  for (const { key, value } of databases.records.getRange(range)) {
    seen += 1
    last = splitName(key)
    const header = decodeHeader(value)
    if (header !== undefined) entries.push({ ...last, header, bytes: value })
  }
  const next = seen < max || last === undefined ? undefined : justAfter(last)
  return { entries, next }
}

/** The smallest name behind this one: keys hold no NUL. */
function justAfter({ bucketId, key }: EntryName): Buffer {
  return encodeName(bucketId, `${key}\0`)
}

class PageScan {
  readonly #databases: IndexDatabases
  readonly #options: ScanOptions
  readonly #end: Uint8Array | undefined
  readonly #objects: ListedObject[] = []
  readonly #prefixes: string[] = []
  #seeks = 0
  #last: string | undefined
  #more = false

  constructor(databases: IndexDatabases, options: ScanOptions) {
    this.#databases = databases
    this.#options = options
    this.#end = nextAfterPrefix(encodeName(options.bucketId, options.prefix))
  }

  run(): ScanPage {
    let start = this.#options.pageMax > 0 ? this.#start() : undefined
    while (start !== undefined) start = this.#readFrom(start)
    return {
      objects: this.#objects,
      commonPrefixes: this.#prefixes,
      next: this.#more ? this.#last : undefined,
      seeks: this.#seeks,
    }
  }

  /** @returns undefined when nothing can follow `after` */
  #start(): Buffer | undefined {
    const { bucketId, prefix, after } = this.#options
    const first = encodeName(bucketId, prefix)
    if (after === '') return first
    const skipped = this.#commonPrefix(after)
    const behind =
      skipped === undefined
        ? justAfter({ bucketId, key: after })
        : nextAfterPrefix(encodeName(bucketId, skipped))
    if (behind === undefined) return undefined
    const start = Buffer.compare(behind, first) < 0 ? first : behind
    return this.#end !== undefined && Buffer.compare(start, this.#end) >= 0 ? undefined : start
  }

  /** Reads until the page is full, the range ends, or a common prefix is to be skipped. */
  #readFrom(start: Buffer): Buffer | undefined {
    this.#seeks += 1
    const { bucketId, pageMax, delimiter } = this.#options
    // lmdb's types know no key of our own encoding; `nameCodec` writes and reads it.
    const range = { start: start as never, end: this.#end as never }
    for (const { key: name, value } of this.#databases.records.getRange(range)) {
      const key = (name as string).slice(ID_CHARACTERS)
      if (this.#objects.length + this.#prefixes.length >= pageMax) {
        this.#more = true
        return undefined
      }
      const common = delimiter === undefined ? undefined : this.#commonPrefix(key)
      if (common !== undefined) {
        this.#prefixes.push(common)
        this.#last = common
        return nextAfterPrefix(encodeName(bucketId, common))
      }
      this.#objects.push(decodeListed(key, value))
      this.#last = key
    }
    return undefined
  }

  /** What the key is rolled up to; undefined when it stands for itself. */
  #commonPrefix(key: string): string | undefined {
    const { prefix, delimiter } = this.#options
    if (delimiter === undefined || delimiter === '' || !key.startsWith(prefix)) return undefined
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }
}
