/**
 * A mountpath whose files were copied (`cp -r`, a restored backup): every file has its name and size,
 * and another inode than its record says. Of a node that was stopped in order the copy is as good as
 * the original, so the records learn the new inodes; of any other nobody knows what was copied when.
 */
import { lstatSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '@forebay/base/failure'
import { compact } from './compaction.ts'
import { encodeName } from './index-db.ts'
import { isMarkerReplaced } from './mountpath-state.ts'
import { decodeRecord, encodeRecord, type RecordHeader } from './record-codec.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** Records of a mountpath that are looked at to tell a copy. */
const SAMPLE_MAX = 64

/** Entries of the index that are looked at between two turns of the event loop. */
const PAGE_MAX = 500

/**
 * The mountpaths that are copies.
 *
 * @throws Failure `setting-invalid` for one that cannot be taken over: not of a stopped node
 */
export function findCopies(context: StoreContext): readonly Drive[] {
  const samples = new Map(context.drives.map((drive) => [drive.mountpath.number, new CopySample()]))
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
  const copies = context.drives.filter(
    (drive) => isPutBack(drive) && samples.get(drive.mountpath.number)?.isCopy === true,
  )
  for (const drive of copies) {
    if (!drive.state.clean) throw copiedInUse(drive.mountpath.root)
  }
  return copies
}

/** Files of other inodes alone could be swapped ones; a copy has another marker as well. */
export function isPutBack({ mountpath, state }: Drive): boolean {
  return isMarkerReplaced(mountpath.root, state)
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

  /** True when files are all there and none is the one that was written. */
  get isCopy(): boolean {
    return this.#other > 0 && this.#same === 0
  }
}

/** Writes the inodes of a copy into index and journal; a crash in between leaves it to the next start. */
export async function adoptCopies(context: StoreContext, copies: readonly Drive[]): Promise<void> {
  const { index } = context
  const numbers = new Set(copies.map(({ mountpath }) => mountpath.number))
  let records = 0
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(index.databases, start, PAGE_MAX)
    for (const { bucketId, key, header, bytes } of page.entries) {
      const drive = context.driveByNumber.get(header.mountpath)
      const record = decodeRecord({ bucketId, key }, bytes)
      if (drive === undefined || record === undefined || !numbers.has(header.mountpath)) continue
      const inode = inodeOf(drive, header)
      // What is missing or of another size stays as it is: it is refused, or fetched again.
      if (inode === undefined || inode === header.inode) continue
      const adopted = Object.freeze({ ...record, location: { ...record.location, inode } })
      const entry = { record: adopted, bytes: encodeRecord(adopted, header) }
      await index.write({ bucketId, key, entry, applies: [] })
      records += 1
    }
    start = page.next
    await turn()
  }
  await index.settled()
  await index.databases.root.flushed
  for (const drive of copies) {
    // Nothing but the old inodes stands in the journal so far; it must not outlive them.
    await compact(context, drive, new AbortController().signal)
    context.observer.event('copy-adopted', { mountpath: drive.mountpath.root, records })
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

function inodeOf(drive: Drive, header: RecordHeader): number | undefined {
  const stat = lstatSync(join(drive.mountpath.root, header.path), { throwIfNoEntry: false })
  return stat?.isFile() === true && stat.size === header.sizeBytes ? stat.ino : undefined
}
