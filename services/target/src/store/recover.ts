import { mkdirSync } from 'node:fs'
import { readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { Failure } from '@forebay/base/failure'
import { adoptCopies, beginAdoption, findCopies } from './adopt-copy.ts'
import { finishDrop } from './drop-bucket.ts'
import { encodeName } from './index-db.ts'
import { JOURNAL_FORMAT } from './journal-format.ts'
import { type JournalPosition, listSegments, POSITION_UNIT, scanSegment } from './journal-read.ts'
import { OWN } from './mountpath.ts'
import { markerFacts, writeState } from './mountpath-state.ts'
import { signIndex } from './open-index.ts'
import { quarantine } from './quarantine.ts'
import { appliedPosition } from './record-index.ts'
import { isTorn, Replay, type TornRecord, unlinkIf } from './recovery.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** What a power loss may have lost of the counter; 2 million of them fit in 53 bits. */
const UNCLEAN_GAP = 2 ** 32

/** Entries of the index that are looked at between two turns of the event loop. */
const SWEEP_MAX = 500

/**
 * Brings index and files to what the journals say, and makes the store ready for new commits.
 *
 * Whatever interrupts it, the next start does the same again: the index is told how far it is only
 * at the end, and the state of a mountpath changes when everything before is on disk.
 */
export async function recover(
  context: StoreContext,
  {
    rebuild,
    clusterId,
    away = false,
  }: {
    readonly rebuild: boolean
    readonly clusterId: string
    /** A mountpath is not there whose journal may know a later counter. */
    readonly away?: boolean | undefined
  },
): Promise<void> {
  const { databases } = context.index
  const starts = context.drives.map((drive) => ({
    drive,
    from: rebuild ? 0 : (appliedPosition(databases, drive.mountpath.number) ?? 0),
  }))
  // Before anything is judged by the inodes of its files.
  const copies = rebuild ? [] : findCopies(context)
  await beginAdoption(copies)
  const replay = new Replay({ drives: context.driveByNumber, copies, observer: context.observer })
  for (const { drive, from } of starts) {
    drive.journal.hold(from)
    await replayJournal(context, { drive, from }, replay)
  }
  if (rebuild) replay.refuseCopy()
  context.sequence.startAt(nextSequence(context, replay.lastSequence, away))
  const torn = await dropTorn(context, context.driveByNumber)
  torn.push(...(await replay.resolve(context.index)))
  for (const bucketId of replay.droppedBuckets) await finishDrop(context, bucketId)
  await noteTorn(context, torn)
  await context.index.settled()
  await signIndex(databases, clusterId)
  await databases.root.flushed
  if (copies.length > 0) {
    for (const { drive, from } of starts) drive.journal.applied(from)
    await adoptCopies(context, copies)
  }
  for (const drive of context.drives) await beginState(context, drive)
  context.index.clearCache()
  for (const { drive, from } of starts) drive.journal.applied(from)
  await context.index.persistPositions()
  for (const { trash, mountpath } of context.drives) {
    trash.takeNow(OWN.work)
    mkdirSync(join(mountpath.root, OWN.work))
  }
}

/** Removes partial files that no record knows; may run while the store serves. */
export async function sweepPartialFiles(context: StoreContext): Promise<void> {
  const known = new Set<string>()
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, SWEEP_MAX)
    for (const { header } of page.entries) if (header.partial) known.add(header.path)
    start = page.next
    await turn()
  }
  for (const { mountpath } of context.drives) {
    for (const name of await readdir(join(mountpath.root, OWN.partial))) {
      const path = `${OWN.partial}/${name}`
      if (known.has(path) || name.startsWith(context.processTag)) continue
      await unlink(join(mountpath.root, path))
    }
  }
}

/** Hands a journal from a position on to the replay; damage is set apart. */
export async function replayJournal(
  context: StoreContext,
  { drive, from }: { readonly drive: Drive; readonly from: JournalPosition },
  replay: Replay,
): Promise<void> {
  const directory = join(drive.mountpath.root, OWN.journal)
  const first = Math.floor(from / POSITION_UNIT)
  for (const segment of listSegments(directory)) {
    if (segment.number < first || segment.number >= drive.journal.segmentNumber) continue
    const offset = segment.number === first ? from % POSITION_UNIT : 0
    const scan = scanSegment(segment, offset, (entry) => {
      if (entry.kind === 'segment') checkFormat(entry.format, segment.path)
      else replay.take(entry, drive)
    })
    for (const run of scan.damaged) {
      await quarantine(drive.mountpath.root, segment, run)
      drive.journal.damaged = true
      context.observer.event('journal-damaged', { segment: segment.path, ...run })
    }
  }
}

/**
 * Hands the removals of a journal in use on to the replay of one that comes back: what was deleted
 * while that was away must not return with it.
 */
export async function replayRemovals(drive: Drive, replay: Replay): Promise<void> {
  const { journal, mountpath } = drive
  const last = await journal.rotate()
  for (const segment of listSegments(join(mountpath.root, OWN.journal))) {
    if (segment.number > last) continue
    scanSegment(segment, 0, (entry) => {
      if (entry.kind === 'remove') replay.takeRemoval(entry, drive)
      else if (entry.kind === 'drop-bucket') replay.take(entry, drive)
    })
    await turn()
  }
}

function checkFormat(format: number, path: string): void {
  if (format <= JOURNAL_FORMAT) return
  throw new Failure(
    'format-newer',
    `${path} has format ${format}; this program knows ${JOURNAL_FORMAT}`,
  )
}

function nextSequence(context: StoreContext, last: number, away: boolean): number {
  const stored = context.index.databases.meta.get('sequence')
  const states = context.drives.map(({ state }) => Math.max(state.syncedBelow, state.suspectBelow))
  const next = Math.max(1, typeof stored === 'number' ? stored : 1, last + 1, ...states)
  const gap = away || context.drives.some(({ uncleanBoot }) => uncleanBoot)
  return gap ? next + UNCLEAN_GAP : next
}

/** After an unclean boot: removes the index's records whose bytes may be torn (rule 7). */
export async function dropTorn(
  context: StoreContext,
  drives: ReadonlyMap<number, Drive>,
): Promise<TornRecord[]> {
  const torn: TornRecord[] = []
  if (![...drives.values()].some(({ uncleanBoot }) => uncleanBoot)) return torn
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, SWEEP_MAX)
    for (const { bucketId, key, header } of page.entries) {
      const drive = drives.get(header.mountpath)
      if (drive === undefined || !isTorn(header, drive)) continue
      torn.push({ bucketId, key, drive, path: header.path, inode: header.inode })
      context.index
        .write({ bucketId, key, entry: undefined, unsettled: 'settle', applies: [] })
        // Told by the wait for all writes.
        ?.catch(() => undefined)
      unlinkIf(drive.mountpath.root, header)
    }
    start = page.next
    await turn()
  }
  return torn
}

/** Tombstones for what was dropped, on disk: a later rebuild must not find the records again. */
export async function noteTorn(context: StoreContext, torn: readonly TornRecord[]): Promise<void> {
  const notes = torn.map(({ bucketId, key, drive, path, inode }) =>
    drive.journal.note(
      {
        kind: 'remove',
        bucketId,
        key,
        sequence: context.sequence.take(),
        path,
        inode,
        why: 'torn',
        settle: true,
      },
      true,
    ),
  )
  await Promise.all(notes)
  if (torn.length > 0) context.observer.event('unclean-boot', { recordsDropped: torn.length })
}

/** From here on this boot is the one whose memory counts. */
export async function beginState(context: StoreContext, drive: Drive): Promise<void> {
  const { identity, root } = drive.mountpath
  const next = context.sequence.next
  const now = { identity, clean: false, ...markerFacts(root) }
  drive.state = drive.uncleanBoot
    ? { ...now, syncedBelow: next, suspectBelow: next }
    : { ...drive.state, ...now }
  await writeState(root, drive.state)
}
