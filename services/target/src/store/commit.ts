import { mkdir, realpath, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failpoint } from '@forebay/base/failpoint'
import { Failure, isFailure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { diskFailure } from '../os/disk-gate.ts'
import type { PlacedName } from '../space/bucket-policies.ts'
import type { CommitOptions, FileLease, FileLocation, NewRecord, ObjectRecord } from './contract.ts'
import { errorCode } from './journal.ts'
import type { JournalEntry } from './journal-format.ts'
import type { JournalPosition } from './journal-read.ts'
import { OWN } from './mountpath.ts'
import { hashedPath, isNameCollision, preferredPath } from './naming.ts'
import { isPackPath } from './pack-place.ts'
import { PackedBytes } from './packed-bytes.ts'
import { encodeRecord } from './record-codec.ts'
import { type Drive, roundToUnit, type StoreContext } from './store-context.ts'
import type { LocalWorkFile } from './work-file.ts'

/** A file on its way to its final name. */
interface Publication {
  readonly drive: Drive
  /** Where the file is now, relative to the mountpath; `''`: where it stays. */
  readonly from: string
  readonly sequence: number
  readonly sync: boolean
  readonly settle: boolean
  /** Runs in the moment in which the file has its final name. */
  readonly onNamed: () => void
  /** Runs in the moment in which the bytes count as used. */
  readonly onCounted?: (() => void) | undefined
}

/**
 * Publishes a work file (rule 2): data on disk, journal, rename, directory, index.
 *
 * A failure before the rename leaves the old version, told to the journal by a void entry. After the
 * rename the new version stands whatever happens, and a failure only says that it is not sure to
 * outlive a power loss.
 */
export async function commitWork(
  context: StoreContext,
  target: CommitTarget,
  commit: { readonly record: NewRecord; readonly options: CommitOptions },
): Promise<ObjectRecord> {
  const { bucket, work } = target
  try {
    if (!work.isOpen) throw new Failure('internal', 'the work file was committed or discarded')
    const atBegun = failpoint('commit:begun')
    if (atBegun !== undefined) await atBegun
    const sized = checkSize(work, commit.record)
    if (sized !== undefined) await sized
    if (commit.options.sync) await work.sync()
    const atDataSynced = failpoint('commit:data-synced')
    if (atDataSynced !== undefined) await atDataSynced
    return await context.buckets.pass(bucket.id, () => publishWork(context, target, commit))
  } catch (error) {
    work.unlink()
    const { fd, root } = work.drive.mountpath
    throw diskFailure(error, `${root}: the object could not be stored`, fd)
  } finally {
    work.releaseReservation()
  }
}

interface CommitTarget {
  readonly bucket: BucketRecord
  readonly key: string
  readonly work: LocalWorkFile | PackedBytes
}

/** Tries one name after the other. */
async function publishWork(
  context: StoreContext,
  target: CommitTarget,
  commit: { readonly record: NewRecord; readonly options: CommitOptions },
): Promise<ObjectRecord> {
  const { bucket, key, work } = target
  const { record, options } = commit
  for (const path of candidatePaths(context, target, record)) {
    const sequence = context.sequence.take()
    const published = await publishRecord(
      context,
      {
        bucketId: bucket.id,
        key,
        stamp: { mapVersion: context.mapVersion(), counter: sequence },
        ownedSince: context.mapVersion(),
        attributes: record.attributes,
        location: { mountpath: work.mountpath, path, inode: work.inode },
        contentXxh64: record.contentXxh64,
        pin: record.pin,
        validatedMs: record.validatedMs,
        storedMs: Math.floor(context.clock.now() / 1000) * 1000,
        blocks: record.blocks,
      },
      {
        drive: work.drive,
        from: work.relativePath,
        sequence,
        sync: options.sync,
        settle: options.settle,
        onNamed: () => work.committed(),
        onCounted: () => work.releaseReservation(),
      },
    )
    if (published !== undefined) return published
  }
  throw new Failure('disk-error', `${bucket.ref.name}: no file name could be made for the key`)
}

/**
 * Journals a record, gives its file the record's name and installs it.
 *
 * @returns undefined when another file or directory has the name: nothing happened
 */
export async function publishRecord(
  context: StoreContext,
  record: ObjectRecord,
  publication: Publication,
): Promise<ObjectRecord | undefined> {
  const { drive, sequence, sync } = publication
  const bytes = encodeRecord(record, {
    sequence,
    validSequence: sequence,
    synced: sync,
    allocatedBytes: allocatedBytes(record, drive.mountpath.unitBytes),
  })
  const { bucketId, key } = record
  const { from, settle } = publication
  const entry: JournalEntry = { kind: 'put', bucketId, key, sequence, record: bytes, from, settle }
  const previous = context.index.current(bucketId, key)
  // Its file goes before the record does: who looked it up and misses it waits for the new one. Where
  // that is as long as a disk syncs, he finds it open; a place in a pack is there as long as it is held.
  const isHeld = sync || (previous !== undefined && isPackPath(previous.location.path))
  const held = previous !== undefined && isHeld ? holdFile(context, previous) : undefined
  const endReplacing = previous && context.replacing.begin(previous)
  drive.inFlight.add(sequence)
  try {
    const position = await drive.journal.append(entry, sync)
    const journalled = { position, previous, record: Object.freeze(record), bytes }
    if (!(await giveName(journalled, publication))) return undefined
    return await install(context, journalled, publication)
  } finally {
    held?.release()
    endReplacing?.()
    drive.inFlight.delete(sequence)
    if (!sync) drive.unsyncedCommits += 1
  }
}

/**
 * A descriptor of the version that is about to lose its name; none where its file cannot be read.
 *
 * @throws Failure `slow-down` when no descriptor is left: a reader in between would see damage
 */
function holdFile(context: StoreContext, record: ObjectRecord): FileLease | undefined {
  try {
    return context.files.lease(record)
  } catch (error) {
    if (isFailure(error, 'slow-down')) throw error
    return undefined
  }
}

interface Journalled {
  readonly position: JournalPosition
  readonly previous: ObjectRecord | undefined
  readonly record: ObjectRecord
  readonly bytes: Buffer
}

/**
 * Renames the file. On failure the journal is told that the put never happened.
 *
 * @returns false for a collision of names
 */
async function giveName(
  { position, record }: Journalled,
  { drive, from, sequence, sync, onNamed }: Publication,
): Promise<boolean> {
  const { root } = drive.mountpath
  try {
    const atJournalled = failpoint('commit:journalled')
    if (atJournalled !== undefined) await atJournalled
    if (from !== '') await renameInto(root, from, record.location.path)
    onNamed()
    return true
  } catch (error) {
    const { bucketId, key } = record
    try {
      await drive.journal.note({ kind: 'void', bucketId, key, sequence }, sync)
    } finally {
      // Without the void entry recovery comes to the same: neither name has the file.
      drive.journal.applied(position)
    }
    if (isNameCollision(errorCode(error))) return false
    throw error
  }
}

/** The file has its name: the record becomes the key's version, come what may. */
async function install(
  context: StoreContext,
  { position, previous, record, bytes }: Journalled,
  publication: Publication,
): Promise<ObjectRecord> {
  const { drive, sequence, sync, settle } = publication
  let failure: unknown
  try {
    const atRenamed = failpoint('commit:renamed')
    if (atRenamed !== undefined) await atRenamed
    if (sync) await context.directories.syncUp(drive.mountpath.root, record.location.path)
    const atDirectorySynced = failpoint('commit:directory-synced')
    if (atDirectorySynced !== undefined) await atDirectorySynced
  } catch (error) {
    failure = error
  }
  if (previous !== undefined) await dropPrevious(context, previous, { record, sequence })
  const written = context.index.write({
    bucketId: record.bucketId,
    key: record.key,
    entry: { record, bytes },
    unsettled: settle ? 'settle' : undefined,
    applies: [{ journal: drive.journal, position }],
  })
  // In the same turn: nobody sees the bytes counted twice.
  publication.onCounted?.()
  if (written !== undefined) await written
  context.policies.stored(placeOf(record), allocatedBytes(record, drive.mountpath.unitBytes))
  const atIndexed = failpoint('commit:indexed')
  if (atIndexed !== undefined) await atIndexed
  if (failure !== undefined) throw failure
  return record
}

/** The replaced version: its descriptor, and its file where that had another name. */
async function dropPrevious(
  context: StoreContext,
  previous: ObjectRecord,
  { record, sequence }: { readonly record: ObjectRecord; readonly sequence: number },
): Promise<void> {
  if (previous.stamp.counter !== record.stamp.counter) {
    context.files.drop(previous)
  }
  const { mountpath, path, inode } = previous.location
  if (isSameFile(previous.location, record.location)) return
  if (mountpath !== record.location.mountpath) context.policies.removed(placeOf(previous), false)
  const drive = context.driveByNumber.get(mountpath)
  if (drive === undefined) {
    context.missed.removed(previous, sequence)
    return
  }
  try {
    if (!isPackPath(path)) await drive.trash.take(path)
    else await drive.packs.free(path)
    if (mountpath === record.location.mountpath) return
    // The other journal must not bring the old version back once this one's entry is compacted away.
    const { bucketId, key } = record
    await drive.journal.note(
      { kind: 'remove', bucketId, key, sequence, path, inode, why: 'moved', settle: false },
      false,
    )
  } catch (error) {
    context.observer.event('file-left-behind', { path, code: errorCode(error) ?? 'failed' })
  }
}

/** A partial file keeps its inode when it gets its final name; of objects in a pack all have the pack's. */
function isSameFile(one: FileLocation, other: FileLocation): boolean {
  if (one.mountpath !== other.mountpath) return false
  return one.path === other.path || (one.inode === other.inode && !isPackPath(one.path))
}

/** The record as policies name it. */
export function placeOf({ bucketId, key, location }: ObjectRecord): PlacedName {
  return { mountpath: location.mountpath, bucketId, key }
}

/** Bytes on disk that the record stands for: its file, or the blocks of it that are there. */
export function allocatedBytes(record: ObjectRecord, unitBytes: number): number {
  const { sizeBytes } = record.attributes
  if (record.blocks === undefined) return roundToUnit(sizeBytes, unitBytes)
  const { blockBytes, crcs } = record.blocks
  let bytes = 0
  crcs.forEach((crc, at) => {
    if (crc >= 0) bytes += Math.min(blockBytes, sizeBytes - at * blockBytes)
  })
  return roundToUnit(bytes, unitBytes)
}

/** Renames `from` to `path`, both relative to `root`, making the directories that are missing. */
async function renameInto(root: string, from: string, path: string): Promise<void> {
  const final = join(root, path)
  try {
    await rename(join(root, from), final)
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error
    await makeDirectory(root, dirname(final))
    await rename(join(root, from), final)
  }
}

async function makeDirectory(root: string, directory: string): Promise<void> {
  await mkdir(directory, { recursive: true })
  // A link somewhere on the way would put the object elsewhere.
  if ((await realpath(directory)) === directory) return
  throw new Failure('disk-error', `${directory} leads out of ${root} through a symbolic link`)
}

/** A sparse file gets its length with the first commit; blocks fill it later. */
function checkSize(
  work: LocalWorkFile | PackedBytes,
  { attributes, blocks }: NewRecord,
): void | Promise<void> {
  const { sizeBytes } = attributes
  if (blocks !== undefined && !(work instanceof PackedBytes)) {
    return work.makeLong(sizeBytes).then(() => checkStored(work, sizeBytes))
  }
  return checkStored(work, sizeBytes)
}

function checkStored(work: LocalWorkFile | PackedBytes, sizeBytes: number): void {
  if (work.sizeBytes !== sizeBytes) {
    const what = `what is stored has ${work.sizeBytes} bytes, its record ${sizeBytes}`
    throw new Failure('internal', what)
  }
}

/** The names to try, the best first. A partial file lies apart until it is whole; what is in a pack stays. */
function candidatePaths(
  context: StoreContext,
  { bucket, key, work }: CommitTarget,
  record: Pick<NewRecord, 'blocks'>,
): readonly string[] {
  if (work instanceof PackedBytes) return [work.place]
  if (record.blocks !== undefined) {
    return [`${OWN.partial}/${context.processTag}-${context.sequence.next}`]
  }
  return finalPaths(bucket, key)
}

/** The names that a whole object may have, the best first. */
export function finalPaths(bucket: BucketRecord, key: string): readonly string[] {
  const preferred = preferredPath(bucket, key)
  const hashed = hashedPath(bucket, key)
  return preferred === hashed ? [hashed] : [preferred, hashed]
}
