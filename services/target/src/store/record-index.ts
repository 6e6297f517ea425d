import { Buffer } from 'node:buffer'
import { BusyMap } from '@forebay/base/busy-map'
import type { Failure } from '@forebay/base/failure'
import { diskFailure } from '../os/disk-gate.ts'
import type { ObjectRecord, ScanOptions } from './contract.ts'
import { type EntryName, entryId } from './entry-id.ts'
import { encodeName, type IndexDatabases } from './index-db.ts'
import type { Journal } from './journal.ts'
import type { JournalPosition } from './journal-read.ts'
import { RecordCache } from './record-cache.ts'
import { decodeCounted, decodeHeader, decodeRecord, type RecordHeader } from './record-codec.ts'

/** Version of the index's documents; another one means that it is built again from the journals. */
export const INDEX_FORMAT = 1

/** A change of one entry, and what it stands for in the journal. */
export interface IndexWrite extends EntryName {
  /** The new record and its bytes; undefined removes the entry; `'keep'` leaves it. */
  readonly entry: { readonly record: ObjectRecord; readonly bytes: Buffer } | undefined | 'keep'
  /** Marks the key unsettled (the mark's sequence) or removes the mark. */
  readonly unsettled?: number | 'settle' | undefined
  /** Journal entries that the write brings into the index. */
  readonly applies: readonly { readonly journal: Journal; readonly position: JournalPosition }[]
}

/** Objects and their bytes on disk. */
export interface Tally {
  readonly objects: number
  readonly bytes: number
}

export interface IndexOptions {
  readonly databases: IndexDatabases
  /** Number of the mountpath that a journal belongs to. */
  readonly journals: ReadonlyMap<number, Journal>
  /** Validation times stated below this sequence count as none. */
  readonly suspectBelow: (mountpath: number) => number
  /** The counter to persist with every write. */
  readonly sequence: () => number
  readonly recordsCachedMax?: number | undefined
}

/** Before every name. */
const ALL = encodeName(0, '')

const NOTHING: Tally = { objects: 0, bytes: 0 }

/** Writes on their way to the file beyond which the next one waits. */
export const WRITES_WAITING_MAX = 10_000

/**
 * How long writes are gathered for one transaction, milliseconds: it costs a turn of a thread, which
 * cold reads of small objects pay most of. Until it is in the file a write is answered from memory,
 * and after a crash from the journal.
 */
const GATHER_MS = 100

/** So many are written at once. */
const GATHER_WRITES_MAX = 256

/** Names that are known to have no entry in the file. */
const ABSENT_MAX = 4096

/**
 * The ordered map of records. A write is seen at once, by `current` and by scans; it reaches the file
 * behind, since the journal has it: a transaction takes milliseconds when the disk is busy. Writes of
 * a moment share one, which also says how far the journals are in.
 *
 * After a failed transaction nothing more is written: what memory has and the file has not comes back
 * from the journals at the next start.
 */
export class RecordIndex {
  readonly #databases: IndexDatabases
  readonly #options: IndexOptions
  readonly #cache: RecordCache
  /** Writes on their way: they hide what the file says. */
  readonly #overlay = new BusyMap<string, IndexWrite>()
  /** Entries whose tombstone is written and whose removal is not asked for yet. */
  readonly #hidden = new Set<string>()
  /** Looked for and not in the file: who reads an absent object and stores it asks four times. */
  readonly #absent = new Set<string>()
  #queue: IndexWrite[] = []
  /** Set while writes are gathered. */
  #gathering: NodeJS.Timeout | undefined
  /** The transaction that is being written. */
  #running: Promise<void> | undefined
  /** Writes asked for, and those of them that are in the file or never will be. */
  #askedCount = 0
  #endedCount = 0
  #ignored: Promise<unknown> | undefined
  #broken: Failure | undefined
  readonly #unsettled = new Set<string>()
  readonly #buckets = new Map<number, Tally>()
  readonly #mountpaths = new Map<number, Tally>()
  /** How far the journals were in when it was last written; also of those that are away. */
  readonly #applied = new Map<number, JournalPosition>()

  constructor(options: IndexOptions) {
    this.#options = options
    this.#databases = options.databases
    this.#cache = new RecordCache(options.recordsCachedMax)
    this.#load()
  }

  get databases(): IndexDatabases {
    return this.#databases
  }

  get unsettledCount(): number {
    return this.#unsettled.size
  }

  /** The record now, also one that is being written. */
  current(bucketId: number, key: string): ObjectRecord | undefined {
    const id = entryId(bucketId, key)
    if (this.#hidden.size > 0 && this.#hidden.has(id)) return undefined
    if (this.#overlay.size > 0) {
      const write = this.#overlay.get(id)
      if (write !== undefined && write.entry !== 'keep') return write.entry?.record
    }
    const cached = this.#cache.get(id)
    if (cached !== undefined) return cached
    const bytes = this.#stored({ bucketId, key }, id)
    if (bytes === undefined) return undefined
    const record = this.#decode({ bucketId, key }, bytes)
    if (record !== undefined) this.#cache.set(id, record)
    return record
  }

  /** Makes `current` answer undefined until the entry is written. */
  hide(bucketId: number, key: string): void {
    this.#hidden.add(entryId(bucketId, key))
  }

  /** True when there is an entry, readable or not. */
  has(bucketId: number, key: string): boolean {
    return this.bytes({ bucketId, key }) !== undefined
  }

  /** The bytes of the record now. */
  bytes(name: EntryName): Buffer | undefined {
    const id = entryId(name.bucketId, name.key)
    const write = this.#overlay.get(id)
    if (write !== undefined && write.entry !== 'keep') return write.entry?.bytes
    return this.#stored(name, id)
  }

  /** The facts of the record now; undefined when there is none or it cannot be read. */
  header(name: EntryName): RecordHeader | undefined {
    const bytes = this.bytes(name)
    return bytes === undefined ? undefined : decodeHeader(bytes)
  }

  /**
   * Changes one entry.
   *
   * @returns nothing unless too many writes are on their way, or the index is broken: then what to wait for
   * @throws Failure `disk-error` | `out-of-space` when the index can no longer be written; `current` shows the write all the same
   */
  write(write: IndexWrite): Promise<void> | undefined {
    const id = entryId(write.bucketId, write.key)
    if (write.entry !== 'keep') {
      this.#count(write)
      this.#cache.delete(id)
      // From here on the overlay answers, until the file has the entry.
      this.#overlay.set(id, write)
      this.#absent.delete(id)
      this.#hidden.delete(id)
    }
    if (typeof write.unsettled === 'number') this.#unsettled.add(id)
    else if (write.unsettled === 'settle') this.#unsettled.delete(id)
    if (this.#broken !== undefined) return Promise.reject(this.#broken)
    this.#queue.push(write)
    this.#askedCount += 1
    this.#schedule()
    return this.#overlay.size > WRITES_WAITING_MAX ? this.settled() : undefined
  }

  /** Writes on their way to the file, of one bucket and prefix, in no order. */
  pendingIn(range: Pick<ScanOptions, 'bucketId' | 'prefix'>): readonly IndexWrite[] {
    const found: IndexWrite[] = []
    for (const write of this.#overlay.values()) {
      if (write.bucketId === range.bucketId && write.key.startsWith(range.prefix)) found.push(write)
    }
    return found
  }

  isUnsettled(bucketId: number, key: string): boolean {
    return this.#unsettled.size > 0 && this.#unsettled.has(entryId(bucketId, key))
  }

  /** Every mark in the file, with its sequence. */
  unsettledMarks(): readonly (EntryName & { readonly sequence: number })[] {
    const marks: (EntryName & { sequence: number })[] = []
    const { unsettled, cursor } = this.#databases
    for (const { key, value } of unsettled.getRange({ start: ALL as never })) {
      marks.push({ bucketId: cursor.bucketId, key, sequence: value.readDoubleLE(0) })
    }
    return marks
  }

  /** Counted with the writes that are under way. */
  bucketTally(bucketId: number): Tally {
    return this.#buckets.get(bucketId) ?? NOTHING
  }

  mountpathTally(mountpath: number): Tally {
    return this.#mountpaths.get(mountpath) ?? NOTHING
  }

  /** Bucket ids that have records. */
  bucketIds(): readonly number[] {
    return [...this.#buckets].filter(([, { objects }]) => objects > 0).map(([id]) => id)
  }

  /** Writes how far the journals are in, with nothing else. */
  async persistPositions(): Promise<void> {
    await this.settled()
    while (this.#running !== undefined) await this.#running
    await this.#commit([])
    if (this.#broken !== undefined) throw this.#broken
  }

  /** States how far the journal of a mountpath is in that is about to come back. */
  setApplied(mountpath: number, position: JournalPosition): void {
    this.#applied.set(mountpath, position)
    if (!this.#mountpaths.has(mountpath)) this.#mountpaths.set(mountpath, NOTHING)
  }

  /** Forgets a mountpath that has no records and will not come back. */
  forgetMountpath(mountpath: number): void {
    if (this.mountpathTally(mountpath).objects > 0) return
    this.#mountpaths.delete(mountpath)
    this.#applied.delete(mountpath)
    this.#ignore(this.#databases.meta.remove(`mountpath:${mountpath}`))
  }

  /** Forgets decoded records: what is suspect has changed. */
  clearCache(): void {
    this.#cache.clear()
  }

  /**
   * Resolves when every write asked for until now is in the file, however many come meanwhile.
   *
   * @throws Failure when one did not get there
   */
  async settled(): Promise<void> {
    const asked = this.#askedCount
    while (this.#endedCount < asked) {
      this.#flush()
      await this.#running
    }
    if (this.#broken !== undefined) throw this.#broken
  }

  /**
   * Closes the file when everything is in it. After a failed transaction lmdb would wait for ever for
   * a commit that does not come; the file is left to the end of the process, as by a crash.
   */
  async close(): Promise<void> {
    await this.settled().catch(() => undefined)
    while (this.#running !== undefined) await this.#running
    if (this.#broken !== undefined) return
    await this.#databases.root.flushed
    await this.#databases.root.close()
  }

  /** Not at once: a transaction of one costs more than the write, and nobody waits for it. */
  #schedule(): void {
    if (this.#queue.length >= GATHER_WRITES_MAX) this.#flush()
    else if (this.#queue.length > 0) {
      this.#gathering ??= setTimeout(() => {
        this.#gathering = undefined
        this.#flush()
      }, GATHER_MS)
    }
  }

  /**
   * One transaction at a time: what one says of the journals' positions covers all before it, so it
   * must not succeed where one before it fails.
   */
  #flush(): void {
    if (this.#running !== undefined || this.#queue.length === 0) return
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    void this.#commit(this.#queue.splice(0))
  }

  /** Resolves when the transaction has ended, well or not; `#broken` tells. */
  #commit(batch: readonly IndexWrite[]): Promise<void> {
    // A file that was closed meanwhile throws at once, and has failed like any other.
    const committed = Promise.try(() => this.#databases.root.batch(() => this.#issue(batch)))
    this.#running = committed.then(
      () => {
        for (const write of batch) this.#arrived(write)
        this.#ended(batch.length)
      },
      (cause: unknown) => {
        ignoreRepeated(cause)
        this.#broken ??= diskFailure(cause, 'the index could not be written')
        this.#ended(batch.length + this.#queue.splice(0).length)
      },
    )
    return this.#running
  }

  #ended(writes: number): void {
    this.#endedCount += writes
    this.#running = undefined
    this.#schedule()
  }

  #issue(batch: readonly IndexWrite[]): void {
    const buckets = new Set<number>()
    const mountpaths = new Set<number>()
    for (const write of batch) {
      this.#issueOne(write)
      buckets.add(write.bucketId)
      for (const { journal, position } of write.applies) journal.applied(position)
    }
    const { meta } = this.#databases
    for (const id of buckets)
      this.#ignore(meta.put(`bucket:${id}`, tallyFields(this.bucketTally(id))))
    for (const number of this.#mountpaths.keys()) mountpaths.add(number)
    for (const number of this.#options.journals.keys()) mountpaths.add(number)
    for (const number of mountpaths) {
      const journal = this.#options.journals.get(number)
      this.#ignore(
        meta.put(`mountpath:${number}`, [
          ...tallyFields(this.mountpathTally(number)),
          this.#appliedBelow(number, journal),
        ]),
      )
    }
    this.#ignore(meta.put('sequence', this.#options.sequence()))
  }

  /** Of a journal that is away it stays what it was: at its return it says where to go on. */
  #appliedBelow(number: number, journal: Journal | undefined): JournalPosition {
    if (journal !== undefined) this.#applied.set(number, journal.appliedBelow())
    return this.#applied.get(number) ?? 0
  }

  #issueOne(write: IndexWrite): void {
    const { records, unsettled } = this.#databases
    // lmdb's types know no key of our own encoding; `nameCodec` writes it.
    const name = encodeName(write.bucketId, write.key) as never
    if (write.entry === undefined) this.#ignore(records.remove(name))
    else if (write.entry !== 'keep') this.#ignore(records.put(name, write.entry.bytes))
    if (typeof write.unsettled === 'number') {
      const mark = Buffer.alloc(8)
      mark.writeDoubleLE(write.unsettled)
      this.#ignore(unsettled.put(name, mark))
    } else if (write.unsettled === 'settle') this.#ignore(unsettled.remove(name))
  }

  /** A write of a batch fails with the batch, which `#flush` tells; most share one promise. */
  #ignore(written: Promise<unknown>): void {
    if (written === this.#ignored) return
    this.#ignored = written
    written.catch(ignoreRepeated)
  }

  #arrived(write: IndexWrite): void {
    if (write.entry === 'keep') return
    const id = entryId(write.bucketId, write.key)
    if (this.#overlay.get(id) !== write) return
    this.#overlay.delete(id)
    if (write.entry !== undefined) this.#cache.set(id, write.entry.record)
  }

  #count(write: IndexWrite): void {
    const { entry } = write
    const before = this.bytes(write)
    if (before !== undefined) this.#add(write.bucketId, before, -1)
    if (entry !== undefined && entry !== 'keep') this.#add(write.bucketId, entry.bytes, 1)
  }

  #add(bucketId: number, record: Buffer, sign: 1 | -1): void {
    const counted = decodeCounted(record)
    if (counted === undefined) return
    const bytes = counted.allocatedBytes * sign
    const bucket = this.bucketTally(bucketId)
    this.#buckets.set(bucketId, { objects: bucket.objects + sign, bytes: bucket.bytes + bytes })
    const mountpath = this.mountpathTally(counted.mountpath)
    this.#mountpaths.set(counted.mountpath, {
      objects: mountpath.objects + sign,
      bytes: mountpath.bytes + bytes,
    })
  }

  /** What the file has, where no write of the entry is on its way. */
  #stored(name: EntryName, id: string): Buffer | undefined {
    if (this.#absent.has(id)) return undefined
    // lmdb's types know no key of our own encoding; `nameCodec` writes it.
    const bytes = this.#databases.records.get(name as never)
    if (bytes === undefined) this.#noteAbsent(id)
    return bytes
  }

  #noteAbsent(id: string): void {
    if (this.#absent.size === ABSENT_MAX) this.#absent.clear()
    this.#absent.add(id)
  }

  #decode(name: EntryName, bytes: Buffer): ObjectRecord | undefined {
    const record = decodeRecord(name, bytes)
    const header = decodeHeader(bytes)
    if (record === undefined || header === undefined) return undefined
    if (header.validSequence >= this.#options.suspectBelow(header.mountpath)) return record
    return Object.freeze({ ...record, validatedMs: 0 })
  }

  #load(): void {
    const { meta, unsettled, cursor } = this.#databases
    for (const { key, value } of meta.getRange({})) {
      const [kind, id] = key.split(':')
      if (!Array.isArray(value)) continue
      const [objects, bytes, applied] = value
      if (typeof objects !== 'number' || typeof bytes !== 'number') continue
      if (kind === 'bucket') this.#buckets.set(Number(id), { objects, bytes })
      if (kind !== 'mountpath') continue
      this.#mountpaths.set(Number(id), { objects, bytes })
      if (typeof applied === 'number') this.#applied.set(Number(id), applied)
    }
    for (const key of unsettled.getKeys({ start: ALL as never })) {
      this.#unsettled.add(entryId(cursor.bucketId, key))
    }
  }
}

/**
 * lmdb says a failed commit several times: in what every write and the batch returned, and in a promise
 * that hangs on their errors. One that nobody listens to would end the process.
 */
function ignoreRepeated(failure: unknown): void {
  const { commitError }: { readonly commitError?: unknown } = Object(failure)
  if (commitError instanceof Promise) commitError.catch(() => undefined)
}

/** How far a mountpath's journal is in the index. @returns undefined when the index does not know it */
export function appliedPosition(
  databases: IndexDatabases,
  mountpath: number,
): JournalPosition | undefined {
  const value = databases.meta.get(`mountpath:${mountpath}`)
  const applied: unknown = Array.isArray(value) ? value[2] : undefined
  return typeof applied === 'number' && applied > 0 ? applied : undefined
}

function tallyFields({ objects, bytes }: Tally): readonly [number, number] {
  return [objects, bytes]
}
