import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { MountpathHealth } from '../mountpaths/health.ts'
import type { Mountpaths } from '../mountpaths/mountpaths.ts'
import { admitsObject, keepsSize } from '../space/admission.ts'
import { expiryOf, rulesOf } from '../space/bucket-rules.ts'
import type { Evictor } from '../space/evictor.ts'
import { amendRecord } from './amend.ts'
import { recordWrittenBlocks } from './blocks.ts'
import { commitWork, placeOf } from './commit.ts'
import type {
  CommitOptions,
  FileLease,
  FoundFacts,
  NewRecord,
  ObjectRecord,
  ObjectStore,
  Room,
  ScanOptions,
  ScanPage,
  Stored,
  StoreTotals,
  Wanted,
  WorkFile,
} from './contract.ts'
import { dropWholeBucket } from './drop-bucket.ts'
import { isPackPath } from './pack-place.ts'
import { PackedBytes } from './packed-bytes.ts'
import { encodeRecord } from './record-codec.ts'
import { markUnsettled, type RemoveOptions, removeEntry, settleEntry } from './remove.ts'
import { scanPage } from './scan.ts'
import type { StoreContext } from './store-context.ts'
import { createWorkFile, holdRoom, LocalWorkFile, openPartialFile } from './work-file.ts'

/** The store on local mountpaths: the contract's methods, each one flow in a file of its own. */
export class LocalObjectStore implements ObjectStore {
  readonly context: StoreContext
  /** Which mountpaths there are, and how they come and go. */
  readonly mountpaths: Mountpaths
  /** Absent where nobody watches the disks. */
  readonly health: MountpathHealth | undefined
  readonly evictor: Evictor
  readonly #onClose: () => Promise<void>
  #closing: Promise<void> | undefined

  constructor(
    context: StoreContext,
    parts: {
      readonly mountpaths: Mountpaths
      readonly health: MountpathHealth | undefined
      readonly evictor: Evictor
    },
    onClose: () => Promise<void>,
  ) {
    this.context = context
    this.mountpaths = parts.mountpaths
    this.health = parts.health
    this.evictor = parts.evictor
    this.#onClose = onClose
  }

  get(bucketId: number, key: string): ObjectRecord | undefined {
    const record = this.context.index.current(bucketId, key)
    if (record !== undefined && this.#hasExpired(record)) return undefined
    if (record === undefined || this.context.driveByNumber.has(record.location.mountpath)) {
      return record
    }
    // Its mountpath is away. A backend has the object too; a native one exists nowhere else.
    return this.context.bucketOf(bucketId)?.backend === undefined ? record : undefined
  }

  isExpired(bucketId: number, key: string): boolean {
    // Asked of every key that is not here: nearly all buckets need no look-up for it.
    if (rulesOf(this.context.bucketOf(bucketId)).ttls.isEmpty) return false
    const record = this.context.index.current(bucketId, key)
    return record !== undefined && this.#hasExpired(record)
  }

  isDoubtful({ stamp, location }: ObjectRecord): boolean {
    const drive = this.context.driveByNumber.get(location.mountpath)
    if (drive === undefined || stamp.counter >= drive.state.suspectBelow) return false
    return isPackPath(location.path)
  }

  touch(record: ObjectRecord): void {
    this.context.policies.touched(placeOf(record))
  }

  open(record: ObjectRecord): FileLease | undefined {
    // Told when it was found.
    if (record.damaged === true) return undefined
    const lease = this.#openPlaced(record) ?? this.#openMoved(record)
    if (lease !== undefined) return lease
    const { mountpath } = record.location
    if (this.context.driveByNumber.has(mountpath)) this.#reportCorrupt(record)
    // Its mountpath left since it was looked up: of a copy the backend has the bytes.
    else if (this.context.bucketOf(record.bucketId)?.backend === undefined) {
      throw this.mountpaths.awayFailure(mountpath)
    }
    return undefined
  }

  replacementOf(record: ObjectRecord): Promise<void> | undefined {
    return this.context.replacing.endOf(record)
  }

  admits(bucket: BucketRecord, key: string, wanted?: Wanted): boolean {
    return admitsObject(this.context, { bucket, key }, wanted)
  }

  keepsSize(bucket: BucketRecord, sizeBytes: number): boolean {
    return keepsSize(bucket, sizeBytes)
  }

  createWork(bucket: BucketRecord, key: string, reserveBytes: number): Promise<WorkFile> {
    return createWorkFile(this.context, { bucket, key, withinQuota: true }, reserveBytes)
  }

  holdRoom(bucket: BucketRecord, key: string, bytes: number): Promise<Room> {
    return holdRoom(this.context, { bucket, key, withinQuota: true }, bytes)
  }

  createPassing(bucket: BucketRecord, key: string, reserveBytes: number): Promise<WorkFile> {
    return createWorkFile(this.context, { bucket, key }, reserveBytes)
  }

  async commit(
    target: { readonly bucket: BucketRecord; readonly key: string; readonly work: Stored },
    record: NewRecord,
    options: CommitOptions,
  ): Promise<ObjectRecord> {
    const { bucket, key, work } = target
    if (!(work instanceof LocalWorkFile || work instanceof PackedBytes)) {
      throw new Failure('internal', 'the bytes are not of this store')
    }
    return commitWork(this.context, { bucket, key, work }, { record, options })
  }

  remove(bucketId: number, key: string, options: RemoveOptions): Promise<boolean> {
    return removeEntry(this.context, { bucketId, key }, options)
  }

  confirm(record: ObjectRecord, validatedMs: number, pin?: Pin): ObjectRecord {
    return this.#restate(record, { validatedMs, pin: pin ?? record.pin })
  }

  amend(record: ObjectRecord, attributes: ObjectAttributes): Promise<ObjectRecord> {
    return this.context.buckets.pass(record.bucketId, () =>
      amendRecord(this.context, record, { attributes }),
    )
  }

  noteFound(record: ObjectRecord, facts: FoundFacts): Promise<ObjectRecord> {
    return this.context.buckets.pass(record.bucketId, () =>
      amendRecord(this.context, record, facts),
    )
  }

  restate(record: ObjectRecord, attributes: ObjectAttributes): ObjectRecord {
    return this.#restate(record, { attributes })
  }

  expire(bucketId: number, key: string): void {
    const record = this.context.index.current(bucketId, key)
    if (record !== undefined) this.#restate(record, { validatedMs: 0, pin: record.pin })
  }

  openPartial(record: ObjectRecord): WorkFile | undefined {
    return openPartialFile(this.context, record)
  }

  recordBlocks(record: ObjectRecord, blocks: ReadonlyMap<number, number>): Promise<ObjectRecord> {
    return this.context.buckets.pass(record.bucketId, () =>
      recordWrittenBlocks(this.context, record, blocks),
    )
  }

  markUnsettled(bucketId: number, key: string): Promise<void> {
    return markUnsettled(this.context, { bucketId, key })
  }

  settle(bucketId: number, key: string): Promise<void> {
    return settleEntry(this.context, { bucketId, key })
  }

  isUnsettled(bucketId: number, key: string): boolean {
    return this.context.index.isUnsettled(bucketId, key)
  }

  mountpathOf(record: ObjectRecord): string | undefined {
    return this.context.driveByNumber.get(record.location.mountpath)?.mountpath.root
  }

  scan(options: ScanOptions): ScanPage {
    return scanPage(this.context.index, options)
  }

  isEmpty(bucketId: number): boolean {
    return this.context.index.bucketTally(bucketId).objects === 0
  }

  sealBucket(bucketId: number): Promise<void> {
    return this.context.buckets.seal(bucketId)
  }

  unsealBucket(bucketId: number): void {
    this.context.buckets.unseal(bucketId)
  }

  dropBucket(bucket: BucketRecord): Promise<void> {
    return dropWholeBucket(this.context, bucket)
  }

  totals(): StoreTotals {
    const { drives, index } = this.context
    const sum = (of: (drive: (typeof drives)[number]) => number): number =>
      drives.reduce((total, drive) => total + of(drive), 0)
    return {
      objectCount: sum(({ mountpath }) => index.mountpathTally(mountpath.number).objects),
      usedBytes: sum(({ space }) => space.usedBytes),
      reservedBytes: sum(({ space }) => space.reservedBytes),
      capacityBytes: sum(({ space }) => space.capacityBytes),
      unsettledCount: index.unsettledCount,
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#onClose()
    return this.#closing
  }

  /**
   * Installs the version with another time of validation, unless the key has another version by now.
   * Written without waiting: losing it costs one question to the backend.
   */
  #restate(
    record: ObjectRecord,
    change: Partial<Pick<ObjectRecord, 'attributes' | 'validatedMs' | 'pin'>>,
  ): ObjectRecord {
    const { bucketId, key } = record
    const { index, sequence, observer } = this.context
    const current = index.current(bucketId, key)
    const header = index.header(record)
    if (header === undefined || current?.stamp.counter !== record.stamp.counter) {
      return Object.freeze({ ...record, ...change })
    }
    // Everything else is that of now: a fill may have gone on since `record` was read.
    const latest = Object.freeze({ ...current, ...change })
    const validSequence = change.validatedMs === undefined ? header.validSequence : sequence.take()
    const bytes = encodeRecord(latest, { ...header, validSequence })
    index
      .write({ bucketId, key, entry: { record: latest, bytes }, applies: [] })
      ?.catch(() => observer.event('sync-failed', { bucketId, key }))
    return latest
  }

  /** What was given up in a pack is no longer there, or soon will be: a file is kept by who has it open. */
  #openPlaced(record: ObjectRecord): FileLease | undefined {
    const { bucketId, key, location } = record
    if (!isPackPath(location.path)) return this.context.files.lease(record)
    const current = this.context.index.current(bucketId, key)
    return current?.location.path === location.path ? this.context.files.lease(record) : undefined
  }

  /** The same version on another mountpath: it was moved since the record was looked up. */
  #openMoved(record: ObjectRecord): FileLease | undefined {
    const { bucketId, key, stamp, location } = record
    const current = this.context.index.current(bucketId, key)
    const isMoved =
      current?.stamp.counter === stamp.counter && current.location.mountpath !== location.mountpath
    return isMoved ? this.context.files.lease(current) : undefined
  }

  #hasExpired({ bucketId, key, storedMs, validatedMs }: ObjectRecord): boolean {
    const rules = rulesOf(this.context.bucketOf(bucketId))
    if (rules.ttls.isEmpty) return false
    const expiryMs = expiryOf(rules, key, storedMs ?? validatedMs)
    return expiryMs !== undefined && expiryMs <= this.context.clock.now()
  }

  #reportCorrupt(record: ObjectRecord): void {
    const { bucketId, key, stamp } = record
    if (this.context.replacing.has(record)) return
    if (this.context.index.current(bucketId, key)?.stamp.counter !== stamp.counter) return
    this.context.observer.event('record-corrupt', { bucketId, key })
  }
}
