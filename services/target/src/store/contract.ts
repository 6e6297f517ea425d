import type { BucketRecord } from '@forebay/model/bucket'
import type { ListedObject, ObjectAttributes } from '@forebay/model/object'
import type { Pin, Stamp } from '@forebay/model/version'

/** Where the bytes of a record lie. */
export interface FileLocation {
  /** Number of the mountpath, as its marker file says; never reused. */
  readonly mountpath: number
  /** Path below the mountpath, `/`-separated; of an object that shares a pack as `PackPlace` says. */
  readonly path: string
  /** Of the file, or the pack. */
  readonly inode: number
}

/** Which blocks of a sparse file are there. */
export interface BlockTable {
  readonly blockBytes: number
  /** One entry a block: its crc32c, or -1 while it is absent. */
  readonly crcs: Float64Array
}

/** One version of an object as the index and the journal keep it. Frozen. */
export interface ObjectRecord {
  readonly bucketId: number
  readonly key: string
  readonly stamp: Stamp
  /** Map version since which this target owns the key without a gap (rule 9). */
  readonly ownedSince: number
  readonly attributes: ObjectAttributes
  readonly location: FileLocation
  /** xxh64 of all bytes, hex; absent for a partial entry and where it is not known. */
  readonly contentXxh64: string | undefined
  /** What the bytes are held to at the backend; `none` for native buckets too. */
  readonly pin: Pin
  /** Wall clock when the backend last confirmed this version; 0 = ask before the next use. */
  readonly validatedMs: number
  /** Wall clock when the version came in, whole seconds in ms; absent where nobody noted it. */
  readonly storedMs?: number | undefined
  /** Present while blocks are missing. */
  readonly blocks?: BlockTable | undefined
  /** The bytes were found to be others than the checksum says: they are kept, and never served. */
  readonly damaged?: boolean | undefined
}

/** What was found of the bytes of a whole object by reading them. */
export type FoundFacts = Partial<Pick<ObjectRecord, 'damaged' | 'contentXxh64'>>

/** What a commit states; the store adds stamp and location. */
export interface NewRecord {
  readonly attributes: ObjectAttributes
  readonly contentXxh64: string | undefined
  readonly pin: Pin
  readonly validatedMs: number
  readonly blocks?: BlockTable | undefined
}

/** Bytes on a disk that are no version yet, invisible to readers. Their owner commits or discards them. */
export interface Stored {
  /** Gives up what was not committed, and what is reserved for it. Idempotent. */
  discard(): void
}

/**
 * A file being written, invisible to readers. Its owner either commits or discards it.
 * Space for it is reserved before it is written.
 */
export interface WorkFile extends Stored {
  readonly fd: number
  /** Absolute path while it is a work file. */
  readonly path: string
  readonly mountpath: number
  readonly inode: number
  /** False when the bucket's quota has no room for the file: it is not to be committed. */
  readonly isWithinQuota: boolean
  /**
   * Makes room up to `bytes` in all; call before writing beyond what was reserved.
   *
   * @throws Failure `slow-down` while eviction can still help, `out-of-space` when not.
   */
  reserve(bytes: number): Promise<void>
  /** Gives back what is reserved beyond `bytes` in all. */
  reserveOnly(bytes: number): void
  /** Removes the name and gives the reservation back; `fd` stays usable until `close`. Idempotent. */
  unlink(): void
  /** The descriptor, to be closed by the caller when he is done with it; `discard` leaves it open. */
  lend(): number
  /** Closes the descriptor, unless it is lent (and unlinks, unless committed). Idempotent. */
  discard(): void
}

/** Room for an object that is to come. */
export interface Room {
  /**
   * Stores all bytes of it, which have the room from now on. Once.
   *
   * @throws Failure `disk-error` | `out-of-space` | `slow-down`
   */
  store(bytes: Buffer): Promise<Stored>
  /** Gives the room back, unless bytes have it. Idempotent. */
  release(): void
}

/** What would come in. */
export interface Wanted {
  /** Of the whole object. */
  readonly sizeBytes: number
  /** Of it at first; absent: all. */
  readonly storedBytes?: number | undefined
}

export interface CommitOptions {
  /** Data, journal and directory reach the disk before the promise resolves. */
  readonly sync: boolean
  /** Removes the key's unsettled mark in the same transaction. */
  readonly settle: boolean
}

/** A descriptor on loan; the bytes stay readable until `release`, whatever happens to the name. */
export interface FileLease {
  readonly fd: number
  /** Of the object's first byte in the file. */
  readonly offset: number
  release(): void
}

export interface ScanOptions {
  readonly bucketId: number
  readonly prefix: string
  readonly delimiter: string | undefined
  /** Exclusive; `''` = from the start. Everything below a common prefix that equals or precedes it is skipped. */
  readonly after: string
  readonly pageMax: number
}

export interface ScanPage {
  readonly objects: readonly ListedObject[]
  readonly commonPrefixes: readonly string[]
  /** The last name or common prefix of the page when more follow. */
  readonly next: string | undefined
  /** Cursor seeks that the page took. */
  readonly seeks: number
}

export interface StoreTotals {
  readonly objectCount: number
  /** Allocated bytes on all mountpaths, committed. */
  readonly usedBytes: number
  readonly reservedBytes: number
  readonly capacityBytes: number
  readonly unsettledCount: number
}

/**
 * Bytes and records of one target. Callers hold the key's lock around every mutation of that key.
 *
 * The journal is the commit point (rule 2): after a crash at any instant a key has the version of the
 * last commit that resolved, or of a later one that was under way, whole; never a mixture, never none.
 */
export interface ObjectStore {
  /**
   * The current record, decoded; from memory or the index, without waiting. Frozen. One whose time to
   * live is over is there no more.
   */
  get(bucketId: number, key: string): ObjectRecord | undefined
  /** True for a key whose entry is there and whose time to live is over. */
  isExpired(bucketId: number, key: string): boolean
  /**
   * Whether the bytes of a record are to be looked at before they are served: a power loss may have
   * kept the hole that a later version left in a pack, and lost that version.
   */
  isDoubtful(record: ObjectRecord): boolean
  /** Marks the record as used now, for eviction. Cheap; never writes. */
  touch(record: ObjectRecord): void
  /**
   * A descriptor of the record's file, checked to be its inode, a regular file and of its size.
   *
   * @returns undefined when the file is missing or another one, its bytes were found damaged, or it was
   *   given up: the record is corrupt, or was replaced, or is being replaced: see `replacementOf`.
   * @throws Failure `slow-down` when no descriptor is left, `disk-error` when the disk cannot say
   */
  open(record: ObjectRecord): FileLease | undefined
  /**
   * For a record that `open` did not find: resolves when the version that takes its file's name is the
   * current one, or has failed. Undefined when there is none.
   */
  replacementOf(record: ObjectRecord): Promise<void> | undefined

  /**
   * Whether an absent object is worth keeping when it is read from the backend: what is not is passed
   * through. Asked without a size before the backend is, it counts as a miss of the bucket's policy;
   * asked with one, the answer holds for a `createWork` or `holdRoom` in the same turn.
   */
  admits(bucket: BucketRecord, key: string, wanted?: Wanted): boolean
  /** Whether the bucket keeps objects of this size at all. */
  keepsSize(bucket: BucketRecord, sizeBytes: number): boolean
  /** A new work file on the mountpath that owns the key, with `reserveBytes` reserved. */
  createWork(bucket: BucketRecord, key: string, reserveBytes: number): Promise<WorkFile>
  /**
   * Room for an object of `bytes` on the mountpath that owns the key.
   *
   * @throws Failure `slow-down` while eviction can still help, `out-of-space` when not.
   */
  holdRoom(bucket: BucketRecord, key: string, bytes: number): Promise<Room>
  /**
   * A work file as of `createWork` for a body on its way to a backend: where the bucket's quota has no room, it goes on
   * without, and `isWithinQuota` says so.
   */
  createPassing(bucket: BucketRecord, key: string, reserveBytes: number): Promise<WorkFile>
  /**
   * Publishes a work file as the key's only version: rule 2. The work file is spent, also on failure:
   * it has no name of its own any more, but `fd` stays open for its readers until `discard`. A record
   * with `blocks` gets its file's length here. A failure after the rename (`disk-error`) means that
   * the new version stands and may not outlive a power loss.
   */
  commit(
    target: { readonly bucket: BucketRecord; readonly key: string; readonly work: Stored },
    record: NewRecord,
    options: CommitOptions,
  ): Promise<ObjectRecord>
  /** Journal tombstone, unlink, index. Resolves false when there was no record; `settle` applies all the same. */
  remove(
    bucketId: number,
    key: string,
    options: CommitOptions & { readonly why: 'delete' | 'evict' | 'stale' | 'corrupt' },
  ): Promise<boolean>
  /** Confirms the version at `validatedMs` (lazily stored: losing it costs one question to the backend). */
  confirm(record: ObjectRecord, validatedMs: number, pin?: Pin): ObjectRecord
  /**
   * Gives a whole object other attributes of the same bytes; durable when it resolves. After a crash
   * the object has the old ones or the new ones.
   *
   * @throws Failure `object-busy` when the key has another version meanwhile, `object-corrupt`,
   *   `disk-error`
   */
  amend(record: ObjectRecord, attributes: ObjectAttributes): Promise<ObjectRecord>
  /**
   * Notes what was found of the bytes of a whole object; durable when it resolves. The next version
   * of the key knows nothing of it.
   *
   * @throws as `amend`
   */
  noteFound(record: ObjectRecord, facts: FoundFacts): Promise<ObjectRecord>
  /** Corrects attributes of a copy that the backend can be asked about again (lazily stored). */
  restate(record: ObjectRecord, attributes: ObjectAttributes): ObjectRecord
  /** Marks the version stale: ask before the next use. */
  expire(bucketId: number, key: string): void

  /**
   * A sparse file that stays open for writing; `record.blocks` is set. Re-opens one that is already
   * published. Failures as of `open`.
   */
  openPartial(record: ObjectRecord): WorkFile | undefined
  /** Journals the blocks that were written since, and installs the new table. */
  recordBlocks(record: ObjectRecord, blocks: ReadonlyMap<number, number>): Promise<ObjectRecord>

  /** Journal and index know, before the promise resolves, that the backend must be asked about the key (rule 3). */
  markUnsettled(bucketId: number, key: string): Promise<void>
  settle(bucketId: number, key: string): Promise<void>
  isUnsettled(bucketId: number, key: string): boolean
  /** Absolute path of the mountpath that holds the record's file; undefined when it is gone. */
  mountpathOf(record: ObjectRecord): string | undefined

  scan(options: ScanOptions): ScanPage
  isEmpty(bucketId: number): boolean
  /**
   * Lets no version of the bucket be committed from now on, and waits for those under way: what
   * `isEmpty` says then stays true. Commits wait until `unsealBucket`, or fail after `dropBucket`.
   */
  sealBucket(bucketId: number): Promise<void>
  unsealBucket(bucketId: number): void
  /**
   * Removes every record and file of a destroyed bucket, in the background of the promise. From now
   * on its commits fail: `bucket-not-found`.
   */
  dropBucket(bucket: BucketRecord): Promise<void>
  totals(): StoreTotals
  close(): Promise<void>
}
