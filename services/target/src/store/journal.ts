import type { Buffer } from 'node:buffer'
import { close, fdatasync, ftruncateSync, openSync, statSync, writeSync } from 'node:fs'
import { promisify } from 'node:util'
import { BusySet } from '@forebay/base/busy-map'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { type WritePolicy, writePolicyOf } from '../bodies/write-policy.ts'
import { diskFailure } from '../os/disk-gate.ts'
import { writeFully, writeFullyNow } from '../os/file-io.ts'
import { syncDirectory } from './directory-sync.ts'
import { encodeFrame, JOURNAL_FORMAT, type JournalEntry } from './journal-format.ts'
import { type JournalPosition, listSegments, POSITION_UNIT, segmentPath } from './journal-read.ts'

const fdatasyncAsync = promisify(fdatasync)
const closeAsync = promisify(close)

/** A segment that grew beyond this is followed by a new one, bytes. */
export const SEGMENT_BYTES_MAX = 64 * 1024 ** 2

/** Entries that may wait to be written; beyond it the disk is too slow for what is asked of it. */
export const APPENDS_WAITING_MAX = 20_000

/** Buffers in one `writev`; the kernel takes 1,024. */
const WRITEV_MAX = 512

interface Segment {
  readonly number: number
  readonly fd: number
  size: number
  /** A sync of it failed, or a torn write could not be cut off: nothing more is written to it. */
  poisoned: boolean
}

interface Append {
  readonly frame: Buffer
  readonly sync: boolean
  readonly resolve: (position: JournalPosition) => void
  readonly reject: (error: Failure) => void
  position: JournalPosition
}

/**
 * The append-only log of one mountpath. Entries of one moment share a write, those that must be on
 * disk share a sync (group commit).
 *
 * A failed sync is never repeated on the same descriptor: the kernel may have dropped the pages and
 * would report success. The segment is left as it is and the log goes on in a new one.
 */
export class Journal {
  readonly #directory: string
  readonly #policy: WritePolicy
  #segment: Segment
  #queue: Append[] = []
  #writing: Promise<void> | undefined
  #unsynced: Append[] = []
  #syncing: Promise<void> | undefined
  #closed = false
  /** A sync failed: what the segment holds may be lost, so a snapshot is due. */
  damaged = false
  /** Bytes of all segments since the last snapshot. */
  bytesSinceSnapshot: number
  /** Positions that the index does not have yet, in order of position. */
  readonly #pending = new BusySet<JournalPosition>()

  private constructor(directory: string, segment: Segment) {
    this.#directory = directory
    this.bytesSinceSnapshot = listSegments(directory).reduce(
      (sum, { path }) => sum + statSync(path).size,
      0,
    )
    this.#policy = writePolicyOf(segment.fd)
    this.#segment = segment
  }

  /** Opens a fresh segment; earlier ones are left to the reader. */
  static async open(directory: string, number: number): Promise<Journal> {
    return new Journal(directory, await createSegment(directory, number))
  }

  get segmentNumber(): number {
    return this.#segment.number
  }

  /**
   * Appends an entry. It counts as not yet in the index until `applied` is called with its position.
   *
   * @throws Failure `disk-error` | `out-of-space` when it is not surely written; `unavailable` after close
   */
  append(entry: JournalEntry, sync: boolean): Promise<JournalPosition> {
    if (this.#closed) {
      return Promise.reject(new Failure('unavailable', 'the store is closing'))
    }
    if (this.#queue.length >= APPENDS_WAITING_MAX) {
      return Promise.reject(
        new Failure('slow-down', `more than ${APPENDS_WAITING_MAX} writes wait for the journal`, {
          retryAfterSeconds: 1,
        }),
      )
    }
    return new Promise((resolve, reject) => {
      this.#queue.push({ frame: encodeFrame(entry), sync, resolve, reject, position: 0 })
      this.#writing ??= this.#writeAll()
    })
  }

  /** Appends an entry that needs no place in the index. */
  async note(entry: JournalEntry, sync: boolean): Promise<void> {
    this.applied(await this.append(entry, sync))
  }

  /** The index has the entry at this position (in a transaction that is being written). */
  applied(position: JournalPosition): void {
    this.#pending.delete(position)
  }

  /** Counts an earlier segment's position as not yet in the index; to be called before any append. */
  hold(position: JournalPosition): void {
    this.#pending.add(position)
  }

  /** Everything before this position is in the index. */
  appliedBelow(): JournalPosition {
    for (const first of this.#pending) return first
    return this.#segment.number * POSITION_UNIT + this.#segment.size
  }

  /** Goes on in a new segment. @returns the number of the segment that is now complete */
  async rotate(skip = 1): Promise<number> {
    while (this.#writing !== undefined) await this.#writing
    const rotation = this.#rotate(skip)
    // Appends of this moment wait as they do for a write.
    this.#writing = rotation.then(
      () => this.#writeAll(),
      () => this.#writeAll(),
    )
    await rotation
    return this.#segment.number - skip
  }

  /** Writes what waits, then closes. Later appends are refused. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
    await this.#syncing
    await closeAsync(this.#segment.fd)
  }

  async #writeAll(): Promise<void> {
    // Who appends in this turn, one step behind the first, shares its write.
    await Promise.resolve()
    while (this.#queue.length > 0) {
      if (this.#segment.size > SEGMENT_BYTES_MAX || this.#segment.poisoned) {
        try {
          await this.#rotate(1)
        } catch (cause) {
          this.#refuse(this.#queue.splice(0), cause)
          break
        }
      }
      await this.#write(this.#queue.splice(0, WRITEV_MAX))
    }
    this.#writing = undefined
  }

  async #write(batch: readonly Append[]): Promise<void> {
    const segment = this.#segment
    const start = segment.size
    for (const append of batch) {
      append.position = segment.number * POSITION_UNIT + segment.size
      segment.size += append.frame.length
      this.#pending.add(append.position)
    }
    try {
      await failpoint('journal:write')
      await this.#writeFrames(batch, start)
    } catch (cause) {
      segment.size = start
      this.#refuse(batch, cause)
      this.#cutOff(segment)
      return
    }
    if (segment.poisoned) {
      this.#refuse(batch, undefined)
      return
    }
    this.bytesSinceSnapshot += segment.size - start
    for (const append of batch) {
      if (append.sync) this.#unsynced.push(append)
      else append.resolve(append.position)
    }
    if (this.#unsynced.length > 0) this.#syncing ??= this.#syncAll()
  }

  /**
   * On the event loop where that cannot block, since a turn of a thread costs more than the write. Not
   * where the disk is asked to sync: the file system may hold a write back until that is done.
   */
  async #writeFrames(batch: readonly Append[], start: number): Promise<void> {
    const { fd, size } = this.#segment
    const frames = batch.map(({ frame }) => frame)
    const syncs = this.#syncing !== undefined || batch.some(({ sync }) => sync)
    if (syncs || !this.#policy.mayBlock(size - start)) {
      await writeFully(fd, frames, start)
      return
    }
    const startedAt = performance.now()
    writeFullyNow(fd, frames, start)
    this.#policy.note(size - start, performance.now() - startedAt)
  }

  /** A part of a frame may be in the file; the reader would take it for damage once more follows. */
  #cutOff(segment: Segment): void {
    try {
      ftruncateSync(segment.fd, segment.size)
    } catch {
      // The failure that matters was answered already; this one only ends the segment.
      this.#poison(segment)
    }
  }

  async #syncAll(): Promise<void> {
    // Never to the end within the call: the caller stores the promise that the end forgets.
    await Promise.resolve()
    while (this.#unsynced.length > 0) {
      const batch = this.#unsynced.splice(0)
      const segment = this.#segment
      try {
        await failpoint('journal:sync')
        await fdatasyncAsync(segment.fd)
        for (const append of batch) append.resolve(append.position)
      } catch (cause) {
        this.#poison(segment)
        this.#refuse([...batch, ...this.#unsynced.splice(0)], cause)
      }
    }
    this.#syncing = undefined
  }

  #poison(segment: Segment): void {
    segment.poisoned = true
    this.damaged = true
  }

  /** Runs with no write and no sync under way on the current segment. */
  async #rotate(skip: number): Promise<void> {
    await this.#syncing
    const old = this.#segment
    if (!old.poisoned) {
      await fdatasyncAsync(old.fd).catch((cause: unknown) => {
        this.#poison(old)
        throw cause
      })
    }
    this.#segment = await createSegment(this.#directory, old.number + skip)
    await closeAsync(old.fd)
  }

  #refuse(batch: readonly Append[], cause: unknown): void {
    const failure = diskFailure(cause, 'the journal could not be written', this.#segment.fd)
    for (const append of batch) {
      this.#pending.delete(append.position)
      append.reject(failure)
    }
  }
}

/** The `code` of an error of the operating system. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
    ? error.code
    : undefined
}

async function createSegment(directory: string, number: number): Promise<Segment> {
  const fd = openSync(segmentPath(directory, number), 'wx', 0o600)
  const header = encodeFrame({ kind: 'segment', format: JOURNAL_FORMAT })
  writeSync(fd, header)
  await syncDirectory(directory)
  return { number, fd, size: header.length, poisoned: false }
}
