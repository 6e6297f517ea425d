import { close, closeSync, constants, fdatasync, fstatSync, ftruncate, open, unlink } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { promisify } from 'node:util'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { diskFailure, diskGateOf, isExhausted } from '../os/disk-gate.ts'
import { writeFully } from '../os/file-io.ts'
import { admitsPart } from '../space/admission.ts'
import { QuotaHold } from '../space/quotas.ts'
import { RESERVE_STEP_BYTES } from '../space/space.ts'
import { placeOf } from './commit.ts'
import type { ObjectRecord, Room, Stored, WorkFile } from './contract.ts'
import { openChecked } from './fd-cache.ts'
import { OWN } from './mountpath.ts'
import { PackedBytes } from './packed-bytes.ts'
import { PACKED_BYTES_MAX } from './packs.ts'
import type { NewFile } from './spare-files.ts'
import { type Drive, driveOf, roundToUnit, type StoreContext } from './store-context.ts'

const openAsync = promisify(open)
const fdatasyncAsync = promisify(fdatasync)
const ftruncateAsync = promisify(ftruncate)

/** A work file as its flows see it; the store's own side of the contract's `WorkFile`. */
export class LocalWorkFile implements WorkFile {
  readonly drive: Drive
  readonly fd: number
  /** Relative to the mountpath. */
  readonly relativePath: string
  readonly inode: number
  readonly #unlinkable: boolean
  readonly #onClose: () => void
  readonly #quota: QuotaHold
  /** Whether so many bytes more are worth room that others may hold. */
  readonly #admits: (bytes: number) => boolean
  #reservedBytes: number
  /** Asked for and not granted yet. */
  #askedBytes = 0
  #named = true
  #lent = false
  #committed = false
  #closed = false

  constructor(
    place: { readonly drive: Drive; readonly relativePath: string },
    file: { readonly fd: number; readonly inode: number; readonly reservedBytes: number },
    options: {
      readonly unlinkable: boolean
      readonly onClose: () => void
      readonly quota: QuotaHold
      readonly admits: (bytes: number) => boolean
    },
  ) {
    this.drive = place.drive
    this.relativePath = place.relativePath
    this.fd = file.fd
    this.inode = file.inode
    this.#reservedBytes = file.reservedBytes
    this.#unlinkable = options.unlinkable
    this.#onClose = options.onClose
    this.#quota = options.quota
    this.#admits = options.admits
    place.drive.openWork.add(this)
  }

  get path(): string {
    return join(this.drive.mountpath.root, this.relativePath)
  }

  get mountpath(): number {
    return this.drive.mountpath.number
  }

  /** True until the file was committed or unlinked. */
  get isOpen(): boolean {
    return this.#named && !this.#closed
  }

  get isWithinQuota(): boolean {
    return this.#quota.isWithin
  }

  get sizeBytes(): number {
    return fstatSync(this.fd).size
  }

  /** Makes the file as long as its object, whatever of it is there. */
  async makeLong(sizeBytes: number): Promise<void> {
    await ftruncateAsync(this.fd, sizeBytes)
  }

  /** Brings the bytes to the disk. */
  async sync(): Promise<void> {
    await fdatasyncAsync(this.fd)
  }

  async reserve(bytes: number): Promise<void> {
    const { unitBytes } = this.drive.mountpath
    await this.#quota.upTo(roundToUnit(bytes, unitBytes))
    const missing = bytes - this.#reservedBytes - this.#askedBytes
    if (missing <= 0) return
    if (!this.#admits(missing)) {
      throw new Failure('slow-down', 'there is no room that is worth giving to one more part', {
        facts: { admitted: false },
      })
    }
    const step = Math.max(missing, RESERVE_STEP_BYTES)
    // Counted before the wait: a second call meanwhile must not reserve the same bytes again.
    this.#askedBytes += step
    try {
      await this.drive.space.reserve(step)
      this.#reservedBytes += step
    } finally {
      this.#askedBytes -= step
    }
    // Given up during the wait: only what was granted is given back.
    if (!this.isOpen) this.releaseReservation()
  }

  reserveOnly(bytes: number): void {
    this.#quota.only(roundToUnit(bytes, this.drive.mountpath.unitBytes))
    const spare = this.#reservedBytes + this.#askedBytes - bytes
    const given = Math.max(0, Math.min(this.#reservedBytes, spare))
    this.drive.space.release(given)
    this.#reservedBytes -= given
  }

  unlink(): void {
    if (!this.#named || !this.#unlinkable) return
    this.#named = false
    this.releaseReservation()
    // Off the loop; what could not be removed now is swept at the next start.
    unlink(this.path, () => undefined)
  }

  lend(): number {
    this.#lent = true
    return this.fd
  }

  discard(): void {
    if (this.#closed) return
    this.unlink()
    this.#closed = true
    this.drive.openWork.delete(this)
    this.releaseReservation()
    this.#onClose()
    if (this.#lent) return
    // A file that keeps its name is closed in 3 us; one without frees its blocks, off the loop.
    if (this.#committed) closeSync(this.fd)
    else close(this.fd, () => undefined)
  }

  /** The name is a record's now: `unlink` and `discard` leave it alone. */
  committed(): void {
    this.#named = false
    this.#committed = true
  }

  /** The bytes count as used, or are not needed. */
  releaseReservation(): void {
    this.#quota.release()
    this.drive.space.release(this.#reservedBytes)
    this.#reservedBytes = 0
  }
}

let workCount = 0

/** For whom a file is to be. */
interface FileName {
  readonly bucket: BucketRecord
  readonly key: string
  /** Refused where the bucket's quota has no room. */
  readonly withinQuota?: boolean
}

/** Room on the key's mountpath and within its bucket's quota, for one object that is to come. */
export class HeldRoom implements Room {
  readonly #context: StoreContext
  readonly #name: FileName
  readonly #held: Held
  #spent = false

  constructor(context: StoreContext, name: FileName, held: Held) {
    this.#context = context
    this.#name = name
    this.#held = held
  }

  store(bytes: Buffer): Promise<Stored> {
    const { drive } = this.#held
    // An empty one would have no place of its own.
    const mayBePacked = bytes.length > 0 && bytes.length <= PACKED_BYTES_MAX
    const isPacked = mayBePacked && drive.packs.isUsable && this.#isCurrent()
    return isPacked ? this.#pack(bytes) : this.#storeInFile(bytes)
  }

  /** A new work file with the room, which is the file's from now on. Once. */
  async createWork(): Promise<LocalWorkFile> {
    const { drive, quota, reservedBytes } = this.#held
    if (!this.#isCurrent()) {
      this.release()
      return createWorkFile(this.#context, this.#name, reservedBytes)
    }
    try {
      const make = () => makeFile(this.#context, drive)
      const { fd, inode, relativePath } = drive.spares.take(make) ?? (await make())
      this.#spent = true
      return new LocalWorkFile(
        { drive, relativePath },
        { fd, inode, reservedBytes },
        { unlinkable: true, onClose: () => undefined, quota, admits: () => true },
      )
    } catch (cause) {
      this.release()
      throw diskFailure(cause, `${drive.mountpath.root}: no work file`)
    }
  }

  release(): void {
    if (this.#spent) return
    this.#spent = true
    this.#held.quota.release()
    this.#held.drive.space.release(this.#held.reservedBytes)
  }

  /** False when its mountpath left, or another one came. */
  #isCurrent(): boolean {
    const { bucket, key } = this.#name
    return driveOf(this.#context, bucket, key) === this.#held.drive
  }

  async #pack(bytes: Buffer): Promise<PackedBytes> {
    const { drive } = this.#held
    const place = await drive.packs.add(bytes)
    this.#spent = true
    return new PackedBytes(drive, { ...place, sizeBytes: bytes.length }, this.#held)
  }

  async #storeInFile(bytes: Buffer): Promise<LocalWorkFile> {
    // Who waits for the bytes has them first: a file costs several turns of a thread.
    await nextTurn()
    const work = await this.createWork()
    try {
      const gate = diskGateOf(work.fd)
      // The descriptor must outlive the write, however long the disk takes.
      if (bytes.length > 0) {
        await gate.run(() => writeFully(work.fd, [bytes], 0), { patient: true })
      }
      return work
    } catch (error) {
      work.discard()
      throw error
    }
  }
}

interface Held {
  readonly drive: Drive
  readonly quota: QuotaHold
  readonly reservedBytes: number
}

/** @throws Failure `slow-down` while eviction can still help, `out-of-space` when not */
export async function holdRoom(
  context: StoreContext,
  name: FileName,
  bytes: number,
): Promise<HeldRoom> {
  const drive = driveOf(context, name.bucket, name.key)
  // As it will count once it is stored: many small objects would pass the limit otherwise.
  const reservedBytes = roundToUnit(bytes, drive.mountpath.unitBytes)
  const quota = new QuotaHold(context.quotas, name.bucket.id, name.withinQuota !== true)
  const granted = quota.upTo(reservedBytes)
  if (granted !== undefined) await granted
  try {
    const reserved = drive.space.reserve(reservedBytes)
    if (reserved !== undefined) await reserved
  } catch (error) {
    quota.release()
    throw error
  }
  return new HeldRoom(context, name, { drive, quota, reservedBytes })
}

/** A new, empty work file on the key's mountpath. */
export async function createWorkFile(
  context: StoreContext,
  name: FileName,
  reserveBytes: number,
): Promise<LocalWorkFile> {
  const room = await holdRoom(context, name, reserveBytes)
  return room.createWork()
}

async function makeFile(context: StoreContext, { mountpath }: Drive): Promise<NewFile> {
  workCount += 1
  const relativePath = `${OWN.work}/${context.processTag}-${workCount}`
  const fd = await openNew(context, join(mountpath.root, relativePath))
  return { fd, inode: fstatSync(fd).ino, relativePath }
}

/** Files kept open for the next read go first where descriptors are short. */
async function openNew(context: StoreContext, path: string): Promise<number> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW
  try {
    return await openAsync(path, flags, 0o600)
  } catch (error) {
    if (!isExhausted(error) || !context.files.shed()) throw error
    return openAsync(path, flags, 0o600)
  }
}

/** The file of a partial record, open for writing more blocks; undefined when it is not what the record says. */
export function openPartialFile(
  context: StoreContext,
  record: ObjectRecord,
): LocalWorkFile | undefined {
  const drive = context.driveByNumber.get(record.location.mountpath)
  if (drive === undefined || record.blocks === undefined) return undefined
  const { root, device } = drive.mountpath
  const fd = openChecked({ root, device }, record, constants.O_RDWR)
  if (fd === undefined) return undefined
  const { path, inode } = record.location
  context.filling.set(inode, (context.filling.get(inode) ?? 0) + 1)
  return new LocalWorkFile(
    { drive, relativePath: path },
    { fd, inode, reservedBytes: 0 },
    {
      unlinkable: false,
      onClose: () => endFilling(context, inode),
      quota: new QuotaHold(context.quotas, record.bucketId, false),
      admits: (bytes) => admitsPart(context, placeOf(record), bytes),
    },
  )
}

function endFilling(context: StoreContext, inode: number): void {
  const left = (context.filling.get(inode) ?? 1) - 1
  if (left > 0) context.filling.set(inode, left)
  else context.filling.delete(inode)
}
