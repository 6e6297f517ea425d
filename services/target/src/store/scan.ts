import { Buffer } from 'node:buffer'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import type { ScanOptions, ScanPage } from './contract.ts'
import type { EntryName } from './entry-id.ts'
import { encodeName, type IndexDatabases, nextAfterPrefix } from './index-db.ts'
import { decodeHeader, decodeListed, type RecordHeader } from './record-codec.ts'
import type { IndexWrite, RecordIndex } from './record-index.ts'

/**
 * One page of names in the order of UTF-8 bytes. Reads one snapshot, with the writes that are on
 * their way to it, and waits for nothing; a common prefix costs one seek, however many names it
 * stands for.
 */
export function scanPage(index: RecordIndex, options: ScanOptions): ScanPage {
  const { cursor } = index.databases
  cursor.shared = true
  try {
    return new PageScan(index, options).run()
  } finally {
    cursor.shared = false
  }
}

export interface SweptEntry extends EntryName {
  readonly header: RecordHeader
  /** Encoded, a copy. */
  readonly bytes: Buffer
}

export interface SweepPage {
  readonly entries: readonly SweptEntry[]
  /** Where the next page starts; undefined at the end. */
  readonly next: Uint8Array | undefined
}

/**
 * Entries with their facts from `start` on, at most `max`, over all buckets: for sweeps. What is on
 * its way to the file is not seen.
 */
export function sweepPage(databases: IndexDatabases, start: Uint8Array, max: number): SweepPage {
  const entries: SweptEntry[] = []
  const { records, cursor } = databases
  let seen = 0
  let last: EntryName | undefined
  // lmdb's types know no key of our own encoding; `codecs` writes and reads it.
  for (const { key, value } of records.getRange({ start: start as never, limit: max })) {
    seen += 1
    last = { bucketId: cursor.bucketId, key }
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
  /** Writes on their way, in the order of names, from `#at` on. */
  readonly #pending: readonly IndexWrite[]
  #at = 0
  readonly #objects: ListedObject[] = []
  readonly #prefixes: string[] = []
  /** Names up to here were handed out or skipped; `#skip`: with all that start with it. */
  #last: string | undefined
  #skip: string | undefined
  #seeks = 0
  #more = false

  constructor(index: RecordIndex, options: ScanOptions) {
    this.#databases = index.databases
    this.#options = options
    this.#end = nextAfterPrefix(encodeName(options.bucketId, options.prefix))
    this.#skip = this.#commonPrefix(options.after)
    this.#pending = index
      .pendingIn(options)
      .filter(({ key }) => compareKeys(key, options.after) > 0 && !this.#isSkipped(key))
      .sort((a, b) => compareKeys(a.key, b.key))
  }

  run(): ScanPage {
    let start = this.#options.pageMax > 0 ? this.#start() : undefined
    while (start !== undefined) start = this.#readFrom(start)
    if (this.#options.pageMax > 0 && !this.#more) this.#takePending(undefined)
    return {
      objects: this.#objects,
      commonPrefixes: this.#prefixes,
      next: this.#more ? this.#last : undefined,
      seeks: this.#seeks,
    }
  }

  /** @returns undefined when nothing in the file can follow `after` */
  #start(): Buffer | undefined {
    const { bucketId, prefix, after } = this.#options
    const first = encodeName(bucketId, prefix)
    if (after === '') return first
    const behind =
      this.#skip === undefined
        ? justAfter({ bucketId, key: after })
        : nextAfterPrefix(encodeName(bucketId, this.#skip))
    if (behind === undefined) return undefined
    const start = Buffer.compare(behind, first) < 0 ? first : behind
    return this.#end !== undefined && Buffer.compare(start, this.#end) >= 0 ? undefined : start
  }

  /** Reads until the page is full, the range ends, or a common prefix is to be skipped. */
  #readFrom(start: Buffer): Buffer | undefined {
    this.#seeks += 1
    const { bucketId } = this.#options
    // lmdb's types know no key of our own encoding; `codecs` writes and reads it.
    const range = { start: start as never, end: this.#end as never }
    for (const { key, value } of this.#databases.records.getRange(range)) {
      if (this.#at < this.#pending.length) {
        if (this.#takePending(key)) continue
        if (this.#more) return undefined
      }
      // A pending name may have rolled up this one, also as the last that was pending.
      if (this.#isSkipped(key)) return this.#behindSkipped(bucketId)
      if (!this.#take(key, value)) return undefined
      if (this.#isSkipped(key)) return this.#behindSkipped(bucketId)
    }
    return undefined
  }

  /**
   * Hands out the pending names before `key`, or all that are left.
   *
   * @returns true when `key` itself was pending: what the file says of it is out of date
   */
  #takePending(key: string | undefined): boolean {
    for (; this.#at < this.#pending.length; this.#at++) {
      const write = this.#pending[this.#at]
      if (write === undefined || write.entry === 'keep') continue
      const order = key === undefined ? -1 : compareKeys(write.key, key)
      if (order > 0) return false
      if (write.entry !== undefined && !this.#isSkipped(write.key)) {
        if (!this.#take(write.key, write.entry.bytes)) return false
      }
      if (order === 0) {
        this.#at += 1
        return true
      }
    }
    return false
  }

  /** @returns false when the page was full already */
  #take(key: string, value: Buffer): boolean {
    if (this.#objects.length + this.#prefixes.length >= this.#options.pageMax) {
      this.#more = true
      return false
    }
    const common = this.#commonPrefix(key)
    if (common === undefined) this.#objects.push(decodeListed(key, value))
    else this.#prefixes.push(common)
    this.#last = common ?? key
    this.#skip = common
    return true
  }

  #isSkipped(key: string): boolean {
    return this.#skip !== undefined && key.startsWith(this.#skip)
  }

  #behindSkipped(bucketId: number): Buffer | undefined {
    return nextAfterPrefix(encodeName(bucketId, this.#skip ?? ''))
  }

  /** What the key is rolled up to; undefined when it stands for itself. */
  #commonPrefix(key: string): string | undefined {
    const { prefix, delimiter } = this.#options
    if (delimiter === undefined || delimiter === '' || !key.startsWith(prefix)) return undefined
    const at = key.indexOf(delimiter, prefix.length)
    return at < 0 ? undefined : key.slice(0, at + delimiter.length)
  }
}
