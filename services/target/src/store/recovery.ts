import {
  closeSync,
  constants,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  type Stats,
  unlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { hashBuffer } from '@forebay/base/hash/digester'
import { adoptPut, CopySample, isPutBack, refuseCopyWithoutIndex } from './adopt-copy.ts'
import { allocatedBytes } from './commit.ts'
import type { ObjectRecord } from './contract.ts'
import { type EntryName, entryId } from './entry-id.ts'
import { errorCode } from './journal.ts'
import type { JournalEntry } from './journal-format.ts'
import { canHold, fileAt, type PackPlace, packPlaceOf } from './pack-place.ts'
import { decodeHeader, decodeRecord, encodeRecord, type RecordHeader } from './record-codec.ts'
import type { RecordIndex } from './record-index.ts'
import type { Drive, StoreObserver } from './store-context.ts'

type Put = Extract<JournalEntry, { kind: 'put' }>
type Blocks = Extract<JournalEntry, { kind: 'blocks' }>
type Remove = Extract<JournalEntry, { kind: 'remove' }>

/** A record that an unclean boot took, and the drive whose journal must know. */
export interface TornRecord extends EntryName {
  readonly drive: Drive
  readonly path: string
  readonly inode: number
}

interface Candidate {
  readonly put: Put
  readonly header: RecordHeader
  readonly from: Drive
}

/** Everything that the journals say about one key, from where the index leaves off. */
interface History extends EntryName {
  puts: Candidate[]
  voids: number[]
  blocks: Blocks[]
  removes: { readonly entry: Remove; readonly from: Drive }[]
  /** Sequence of the latest mark or settlement. */
  unsettled: { readonly sequence: number; readonly marked: boolean } | undefined
}

type Outcome =
  | { readonly kind: 'keep' }
  | { readonly kind: 'gone' }
  | { readonly kind: 'put'; readonly candidate: Candidate }

/** Keys resolved before the event loop has its turn: their index writes go out together. */
const KEYS_PER_TURN = 2000

/** Puts of one key that are kept while a journal is read; only the newest can be unresolved. */
const PUTS_KEPT = 4

/**
 * Gathers journal entries and then decides, key by key, which version stands (rule 2): the newest put
 * that was not voided or removed and whose file is whole, under its final name or still as a work
 * file. A put of which no file is left is void, and the version before it stands.
 */
export class Replay {
  readonly #histories = new Map<string, History>()
  readonly #dropped = new Map<number, number>()
  readonly #voided: Candidate[] = []
  readonly #torn: TornRecord[] = []
  readonly #observer: StoreObserver
  readonly #drives: ReadonlyMap<number, Drive>
  readonly #copies: ReadonlySet<Drive>
  /** The largest sequence seen. */
  lastSequence = 0

  constructor(options: {
    readonly drives: ReadonlyMap<number, Drive>
    /** Those whose journals name the inodes of other files than theirs. */
    readonly copies: readonly Drive[]
    readonly observer: StoreObserver
  }) {
    this.#drives = options.drives
    this.#copies = new Set(options.copies)
    this.#observer = options.observer
  }

  /** Takes an entry of a drive's journal; in order within the drive. */
  take(entry: JournalEntry, from: Drive): void {
    if (entry.kind === 'segment') return
    this.lastSequence = Math.max(this.lastSequence, entry.sequence)
    if (entry.kind === 'drop-bucket') {
      this.#dropped.set(entry.bucketId, entry.sequence)
      return
    }
    const history = this.#history(entry)
    switch (entry.kind) {
      case 'put':
        this.#takePut(history, entry, from)
        break
      case 'void':
        history.voids.push(entry.sequence)
        break
      case 'blocks':
        history.blocks.push(entry)
        break
      case 'remove':
        history.removes.push({ entry, from })
        if (entry.settle) settleAt(history, entry.sequence)
        break
      case 'unsettled':
      case 'settled':
        markAt(history, entry.sequence, entry.kind === 'unsettled')
        break
      default:
        entry satisfies never
    }
  }

  /**
   * Takes a removal from a journal that is not replayed: it counts against older puts of the same key,
   * and for nothing else. To be called when every journal that is replayed was taken.
   */
  takeRemoval(entry: Remove, from: Drive): void {
    const history = this.#histories.get(entryId(entry.bucketId, entry.key))
    // Its file and its mark are the other journal's affair, and long settled.
    history?.removes.push({ entry: { ...entry, path: '', inode: 0, settle: false }, from })
  }

  /**
   * Brings index and files to what the journals say. The caller waits for the index.
   *
   * @returns records that an unclean boot took
   */
  async resolve(index: RecordIndex): Promise<readonly TornRecord[]> {
    let since = 0
    // In order of names: the index takes them several times faster than in the order of time.
    const ids = [...this.#histories.keys()].sort()
    for (const id of ids) {
      const history = this.#histories.get(id)
      if (history === undefined || this.#dropped.has(history.bucketId)) continue
      this.#resolveKey(index, history)
      since += 1
      if (since % KEYS_PER_TURN === 0) await new Promise((resolve) => setImmediate(resolve))
    }
    for (const { put, from } of this.#voided) {
      const { bucketId, key, sequence } = put
      this.#observer.event('record-voided', { bucketId, key })
      await from.journal.note({ kind: 'void', bucketId, key, sequence }, false)
    }
    return this.#torn
  }

  /** @throws Failure `setting-invalid` for a mountpath whose files are copies: every put would be void */
  refuseCopy(): void {
    const samples = new Map<Drive, CopySample>()
    for (const { puts } of this.#histories.values()) {
      const [newest] = puts
      if (newest === undefined) continue
      const sample = samples.get(newest.from) ?? new CopySample()
      samples.set(newest.from, sample)
      sample.look(newest.from, newest.header)
    }
    for (const [drive, { mostAreOthers }] of samples) {
      if (mostAreOthers && isPutBack(drive)) throw refuseCopyWithoutIndex(drive.mountpath.root)
    }
  }

  /** Buckets that were destroyed, by id. */
  get droppedBuckets(): readonly number[] {
    return [...this.#dropped.keys()]
  }

  #resolveKey(index: RecordIndex, history: History): void {
    const before = index.header(history)
    const removedBelow = Math.max(-1, ...history.removes.map(({ entry }) => entry.sequence))
    let outcome: Outcome = { kind: 'keep' }
    for (const candidate of history.puts) {
      const { sequence } = candidate.put
      if (sequence < removedBelow || (before !== undefined && sequence < before.sequence)) break
      if (history.voids.includes(sequence)) continue
      if (isTorn(candidate.header, candidate.from)) {
        this.#torn.push(tornRecord(candidate))
        outcome = { kind: 'gone' }
        break
      }
      if (makeReady(candidate)) {
        outcome = { kind: 'put', candidate }
        break
      }
      history.voids.push(sequence)
      this.#voided.push(candidate)
    }
    if (outcome.kind === 'keep' && before !== undefined && before.sequence < removedBelow) {
      outcome = { kind: 'gone' }
    }
    this.#tidyFiles(history, { before, outcome })
    writeOutcome(index, history, outcome)
  }

  /** Removes the names of versions that lost, unless the standing version has the file. */
  #tidyFiles(
    history: History,
    { before, outcome }: { readonly before: RecordHeader | undefined; readonly outcome: Outcome },
  ): void {
    const standing =
      outcome.kind === 'put'
        ? outcome.candidate.header
        : outcome.kind === 'keep'
          ? before
          : undefined
    const lost = [
      ...history.removes.map(({ entry, from }) => ({
        path: entry.path,
        inode: entry.inode,
        mountpath: from.mountpath.number,
      })),
      ...history.puts.map(({ header }) => header),
      ...(before === undefined ? [] : [before]),
    ]
    for (const file of lost) {
      if (standing?.inode === file.inode && standing.mountpath === file.mountpath) continue
      const drive = this.#drives.get(file.mountpath)
      if (drive !== undefined) unlinkIf(drive.mountpath.root, file)
    }
  }

  #takePut(history: History, put: Put, from: Drive): void {
    const meant = this.#copies.has(from) ? adoptPut(from, put) : put
    const header = decodeHeader(meant.record)
    if (header === undefined) return
    history.puts.push({ put: meant, header, from })
    history.puts.sort((a, b) => b.put.sequence - a.put.sequence)
    history.puts.length = Math.min(history.puts.length, PUTS_KEPT)
  }

  #history({ bucketId, key }: EntryName): History {
    const id = entryId(bucketId, key)
    const known = this.#histories.get(id)
    if (known !== undefined) return known
    const made: History = {
      bucketId,
      key,
      puts: [],
      voids: [],
      blocks: [],
      removes: [],
      unsettled: undefined,
    }
    this.#histories.set(id, made)
    return made
  }
}

function tornRecord({ put, header, from }: Candidate): TornRecord {
  const { bucketId, key } = put
  return { bucketId, key, drive: from, path: header.path, inode: header.inode }
}

function writeOutcome(index: RecordIndex, history: History, outcome: Outcome): void {
  const { bucketId, key } = history
  const isPut = outcome.kind === 'put'
  const base = isPut ? outcome.candidate.put.record : index.bytes({ bucketId, key })
  const changed =
    outcome.kind === 'gone' || base === undefined ? undefined : withBlocks(history, base, !isPut)
  const entry = changed ?? (outcome.kind === 'gone' ? undefined : 'keep')
  const unsettled = unsettledAfter(history, outcome)
  if (entry === 'keep' && unsettled === undefined) return
  // The caller learns of a failed index from the wait for all writes.
  index.write({ bucketId, key, entry, unsettled, applies: [] })?.catch(() => undefined)
}

/** A put settles its key only if it happened: a void one leaves the mark. */
function unsettledAfter(history: History, outcome: Outcome): number | 'settle' | undefined {
  const mark = history.unsettled
  const settled = history.puts.some(
    ({ put }) =>
      put.settle &&
      !history.voids.includes(put.sequence) &&
      put.sequence > (mark?.sequence ?? -1) &&
      (outcome.kind !== 'put' || put.sequence <= outcome.candidate.put.sequence),
  )
  if (settled) return 'settle'
  if (mark === undefined) return undefined
  return mark.marked ? mark.sequence : 'settle'
}

/** True for a record that an unclean boot may have torn: it and everything before it is dropped. */
export function isTorn(header: RecordHeader, drive: Pick<Drive, 'state' | 'uncleanBoot'>): boolean {
  if (!drive.uncleanBoot) return false
  return header.partial || (!header.synced && header.sequence >= drive.state.syncedBelow)
}

/** True when the put's file has its final name, after giving it that if it was still a work file. */
function makeReady({ put, header, from }: Candidate): boolean {
  const { root } = from.mountpath
  const place = packPlaceOf(header.path)
  if (place !== undefined) {
    return isFileOf(root, header.path, header) && isInPack(join(root, place.file), place, put)
  }
  if (isFileOf(root, header.path, header)) return true
  if (put.from === '' || !isFileOf(root, put.from, header)) return false
  const final = join(root, header.path)
  try {
    mkdirSync(dirname(final), { recursive: true })
    renameSync(join(root, put.from), final)
    return true
  } catch {
    // A collision of names, as it would have been then: the put is void.
    return false
  }
}

/** @param path relative to the mountpath */
function isFileOf(root: string, path: string, { inode, sizeBytes }: RecordHeader): boolean {
  const stat = statOrNothing(join(root, fileAt(path).file))
  return stat?.isFile() === true && stat.ino === inode && canHold(path, sizeBytes, stat.size)
}

/**
 * Whether a pack has the bytes of a put: a place looks the same when it was given up before the put was
 * known to have failed.
 */
function isInPack(path: string, { offset }: PackPlace, put: Put): boolean {
  const record = decodeRecord(put, put.record)
  if (record?.contentXxh64 === undefined) return false
  try {
    const bytes = Buffer.alloc(record.attributes.sizeBytes)
    const fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
    try {
      if (readSync(fd, bytes, 0, bytes.length, offset) < bytes.length) return false
    } finally {
      closeSync(fd)
    }
    return hashBuffer('xxh64', bytes) === record.contentXxh64
  } catch {
    // What cannot be read is a copy of what the backend has.
    return false
  }
}

/** Undefined where there is no such name, also when an object stands where a directory would have to be. */
function statOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path, { throwIfNoEntry: false })
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return undefined
    throw error
  }
}

/** Removes a name if it is still the file that is meant. */
export function unlinkIf(
  root: string,
  file: { readonly path: string; readonly inode: number },
): void {
  if (file.path === '') return
  const path = join(root, file.path)
  try {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === file.inode) unlinkSync(path)
  } catch {
    // A name that cannot be removed is nobody's; `fsck` lists it.
  }
}

/** The record with the blocks that were journalled after it; undefined when nothing changed. */
function withBlocks(
  history: History,
  base: Buffer,
  unchanged: boolean,
): { readonly record: ObjectRecord; readonly bytes: Buffer } | undefined {
  const header = decodeHeader(base)
  const record = decodeRecord(history, base)
  if (header === undefined || record === undefined) return undefined
  const later = history.blocks.filter(
    (entry) => entry.counter === header.counter && entry.sequence > header.sequence,
  )
  if (record.blocks === undefined || later.length === 0) {
    return unchanged ? undefined : { record, bytes: base }
  }
  const crcs = Float64Array.from(record.blocks.crcs)
  for (const { blocks } of later) {
    for (let at = 0; at + 1 < blocks.length; at += 2) crcs[blocks[at] ?? 0] = blocks[at + 1] ?? -1
  }
  const added = Object.freeze({
    ...record,
    blocks: Object.freeze({ blockBytes: record.blocks.blockBytes, crcs }),
  })
  const sequence = Math.max(...later.map((entry) => entry.sequence))
  const bytes = encodeRecord(added, {
    ...header,
    sequence,
    allocatedBytes: allocatedBytes(added, 1),
  })
  return { record: added, bytes }
}

function settleAt(history: History, sequence: number): void {
  markAt(history, sequence, false)
}

function markAt(history: History, sequence: number, marked: boolean): void {
  if (history.unsettled !== undefined && history.unsettled.sequence > sequence) return
  history.unsettled = { sequence, marked }
}
