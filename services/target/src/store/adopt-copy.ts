/**
 * A mountpath whose files were copied (`cp -r`, a restored backup): every file has its name and size,
 * and another inode than its record says. Of a node that was stopped in order the copy is as good as
 * the original, so the records learn the new inodes; of any other nobody knows what was copied when.
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { compact } from './compaction.ts'
import type { ObjectRecord } from './contract.ts'
import type { EntryName } from './entry-id.ts'
import { encodeName } from './index-db.ts'
import {
  isMarkerReplaced,
  isMarkerTouched,
  MARKER_REPLACED,
  writeState,
} from './mountpath-state.ts'
import { canHold, fileAt } from './pack-place.ts'
import { decodeHeader, decodeRecord, encodeRecord, type RecordHeader } from './record-codec.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** Records of a mountpath that are looked at to tell a copy. */
const SAMPLE_MAX = 64

/** Entries of the index that are looked at between two turns of the event loop. */
const PAGE_MAX = 500

/**
 * The mountpaths that are copies.
 *
 * Of a stopped node any sign is enough: nothing is on its way then, so files of other inodes than the
 * index says were put there. After a crash index and files differ on their own, and only another
 * marker and files that are other ones throughout tell a copy.
 *
 * @throws Failure `setting-invalid` for one that cannot be taken over: not of a stopped node, or from
 *   before what the index knows
 */
export function findCopies(context: StoreContext): readonly Drive[] {
  const candidates = context.drives.filter(isPutBack)
  if (candidates.length === 0) return []
  const samples = takeSamples(context, candidates)
  const copies = candidates.filter((drive) => {
    const mostAreOthers = samples.get(drive.mountpath.number)?.mostAreOthers === true
    return (
      mostAreOthers || (drive.state.clean && isMarkerReplaced(drive.mountpath.root, drive.state))
    )
  })
  const indexed = context.index.databases.meta.get('sequence')
  for (const { state, mountpath } of copies) {
    if (!state.clean) throw copiedInUse(mountpath.root)
    const isBegun = state.markerInode === MARKER_REPLACED
    if (!isBegun && typeof indexed === 'number' && indexed > state.syncedBelow) {
      throw copiedBefore(mountpath.root)
    }
  }
  return copies
}

function takeSamples(
  context: StoreContext,
  drives: readonly Drive[],
): ReadonlyMap<number, CopySample> {
  const samples = new Map(drives.map((drive) => [drive.mountpath.number, new CopySample()]))
  let start: Uint8Array | undefined = encodeName(0, '')
  // A bucket's names are together, not a mountpath's: most pages have records of all of them.
  for (let page = 0; page < context.drives.length && start !== undefined; page++) {
    const { entries, next } = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const { header } of entries) {
      const drive = context.driveByNumber.get(header.mountpath)
      if (drive !== undefined) samples.get(header.mountpath)?.look(drive, header)
    }
    start = next
  }
  return samples
}

/** Files of other inodes alone could be swapped ones; a copy has another marker as well. */
export function isPutBack({ mountpath, state }: Drive): boolean {
  return state.clean
    ? isMarkerTouched(mountpath.root, state)
    : isMarkerReplaced(mountpath.root, state)
}

/** What a few records say about where their files come from. */
export class CopySample {
  #same = 0
  #other = 0

  look(drive: Drive, header: RecordHeader): void {
    if (this.#same + this.#other >= SAMPLE_MAX) return
    const inode = inodeOf(drive, header)
    if (inode === header.inode) this.#same += 1
    else if (inode !== undefined) this.#other += 1
  }

  /** Not all of them: on a new disk some files get the number that they had on the old one. */
  get mostAreOthers(): boolean {
    return this.#other > this.#same
  }
}

/**
 * Says on the copies that they are being taken over. From here to the end of `adoptCopies` a crash
 * leaves some records with their new inodes, so that a sample would no longer tell a copy.
 */
export async function beginAdoption(copies: readonly Drive[]): Promise<void> {
  for (const drive of copies) {
    drive.state = { ...drive.state, markerInode: MARKER_REPLACED }
    await writeState(drive.mountpath.root, drive.state)
  }
}

/** A put of a copy's journal with the inode that its file has now. */
export function adoptPut<T extends PutEntry>(drive: Drive, put: T): T {
  const header = decodeHeader(put.record)
  const record = header && adoptRecord({ drive, header }, put, put.record)
  return record === undefined ? put : { ...put, record: record.bytes }
}

interface PutEntry extends EntryName {
  readonly record: Buffer
}

/** @returns undefined where nothing changes: what is missing or of another size stays as it is */
function adoptRecord(
  { drive, header }: { readonly drive: Drive; readonly header: RecordHeader },
  { bucketId, key }: EntryName,
  bytes: Buffer,
): { readonly record: ObjectRecord; readonly bytes: Buffer } | undefined {
  const inode = inodeOf(drive, header)
  if (inode === undefined || inode === header.inode) return undefined
  const record = decodeRecord({ bucketId, key }, bytes)
  if (record === undefined) return undefined
  const adopted = Object.freeze({ ...record, location: { ...record.location, inode } })
  return { record: adopted, bytes: encodeRecord(adopted, header) }
}

/** Writes the inodes of a copy into index and journal; a crash in between leaves it to the next start. */
export async function adoptCopies(context: StoreContext, copies: readonly Drive[]): Promise<void> {
  const { index } = context
  const records = new Map(copies.map(({ mountpath }) => [mountpath.number, 0]))
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(index.databases, start, PAGE_MAX)
    for (const { bucketId, key, header, bytes } of page.entries) {
      const drive = context.driveByNumber.get(header.mountpath)
      const adopted = records.get(header.mountpath)
      if (drive === undefined || adopted === undefined) continue
      const entry = adoptRecord({ drive, header }, { bucketId, key }, bytes)
      if (entry === undefined) continue
      await index.write({ bucketId, key, entry, applies: [] })
      records.set(header.mountpath, adopted + 1)
    }
    start = page.next
    await turn()
    await failpoint('adopt:page')
  }
  await index.settled()
  await index.databases.root.flushed
  await failpoint('adopt:indexed')
  for (const drive of copies) {
    const { number, root } = drive.mountpath
    // Nothing but the old inodes stands in the journal so far; it must not outlive them.
    await compact(context, drive, new AbortController().signal)
    context.observer.event('copy-adopted', { mountpath: root, records: records.get(number) ?? 0 })
  }
}

/** For where the journals alone would have to tell. */
export function refuseCopyWithoutIndex(root: string): Failure {
  return new Failure(
    'setting-invalid',
    `the files of mountpath ${root} are copies, and their index is missing or damaged`,
    { hint: 'Copy the whole directory of a stopped node, with .forebay/index, or give it back.' },
  )
}

function copiedInUse(root: string): Failure {
  return new Failure(
    'setting-invalid',
    `the files of mountpath ${root} are copies, taken while a node was using them`,
    { hint: 'Copy the directory again when the node is stopped, or take a snapshot of the disk.' },
  )
}

function copiedBefore(root: string): Failure {
  return new Failure(
    'setting-invalid',
    `the files of mountpath ${root} are copies from before what the index knows`,
    { hint: 'Give back the data directory and every mountpath as they were at the same stop.' },
  )
}

/** Undefined for what is not the record's file as well as for what the disk cannot say. */
function inodeOf(drive: Drive, header: RecordHeader): number | undefined {
  try {
    const { file } = fileAt(header.path)
    const stat = lstatSync(join(drive.mountpath.root, file), { throwIfNoEntry: false })
    if (stat?.isFile() !== true) return undefined
    return canHold(header.path, header.sizeBytes, stat.size) ? stat.ino : undefined
  } catch {
    // ENOTDIR where an object stands in the place of a directory, EIO: no reason to refuse a start.
    return undefined
  }
}
