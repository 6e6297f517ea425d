import { Buffer } from 'node:buffer'
import { open, rename, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { syncDirectory } from './directory-sync.ts'
import { encodeName } from './index-db.ts'
import { errorCode } from './journal.ts'
import { encodeFrame, JOURNAL_FORMAT } from './journal-format.ts'
import { listSegments, POSITION_UNIT, segmentPath } from './journal-read.ts'
import { OWN } from './mountpath.ts'
import { sweepPage } from './scan.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** A journal may hold this much before it is compacted at all, bytes. */
export const COMPACT_BYTES_MIN = 64 * 1024 ** 2

/** Garbage that a journal may hold, as a multiple of what its records need. */
const GARBAGE_SHARE_MAX = 2

/** What a record takes in a journal, roughly, bytes. */
const FRAME_BYTES_TYPICAL = 400

/** How often it is looked whether a compaction is due, ms. */
const COMPACT_INTERVAL_MS = 10_000

/** How often it is looked whether the index has caught up, ms. */
const CATCH_UP_MS = 20

const PAGE_MAX = 500

/** Compacts the journals when they are due, one at a time; ends with the signal. */
export async function keepCompact(context: StoreContext, signal: AbortSignal): Promise<void> {
  for (;;) {
    try {
      await context.clock.sleep(COMPACT_INTERVAL_MS, signal)
    } catch {
      // The store closes: what is not compacted is compacted after the next start.
      return
    }
    for (const drive of context.drives) {
      if (isDue(context, drive)) await compactQuietly(context, drive, signal)
    }
  }
}

/**
 * Replaces a journal's past by a snapshot of the records that live.
 *
 * The log goes on in segment n+2; when the index has everything up to there, the records of the
 * mountpath are written to n+1; when that is on disk, the segments up to n go, oldest first, so that
 * no put outlives its tombstone. A crash in between leaves more than is needed, never less.
 */
export async function compact(
  context: StoreContext,
  drive: Drive,
  signal: AbortSignal,
): Promise<void> {
  const { journal, mountpath } = drive
  const last = await journal.rotate(2)
  journal.bytesSinceSnapshot = 0
  journal.damaged = false
  await failpoint('compact:rotated')
  while (journal.appliedBelow() < (last + 2) * POSITION_UNIT) {
    await context.clock.sleep(CATCH_UP_MS, signal)
  }
  await context.index.settled()
  const directory = join(mountpath.root, OWN.journal)
  const temporary = join(directory, 'snapshot.new')
  const records = await writeSnapshot(context, drive, temporary)
  await failpoint('compact:written')
  await rename(temporary, segmentPath(directory, last + 1))
  await syncDirectory(directory)
  await failpoint('compact:published')
  for (const segment of listSegments(directory)) {
    if (segment.number <= last) await unlink(segment.path)
  }
  await failpoint('compact:removed')
  context.observer.event('compacted', { mountpath: mountpath.root, records })
}

function isDue(context: StoreContext, { journal, mountpath }: Drive): boolean {
  if (journal.damaged) return true
  const live = context.index.mountpathTally(mountpath.number).objects * FRAME_BYTES_TYPICAL
  return journal.bytesSinceSnapshot > Math.max(COMPACT_BYTES_MIN, live * GARBAGE_SHARE_MAX)
}

async function compactQuietly(
  context: StoreContext,
  drive: Drive,
  signal: AbortSignal,
): Promise<void> {
  try {
    await compact(context, drive, signal)
  } catch (error) {
    if (signal.aborted) return
    // The old segments are all there; the next interval tries again.
    drive.journal.damaged = true
    context.observer.event('compaction-failed', {
      mountpath: drive.mountpath.root,
      code: errorCode(error) ?? 'failed',
    })
  }
}

async function writeSnapshot(context: StoreContext, drive: Drive, path: string): Promise<number> {
  const file = await open(path, 'w', 0o600)
  let records = 0
  try {
    await file.write(encodeFrame({ kind: 'segment', format: JOURNAL_FORMAT }))
    await file.write(marksFrame(context))
    let start: Uint8Array | undefined = encodeName(0, '')
    while (start !== undefined) {
      const page = sweepPage(context.index.databases, start, PAGE_MAX)
      const own = page.entries.filter(({ header }) => header.mountpath === drive.mountpath.number)
      const frames = own.map(({ bucketId, key, header, bytes }) =>
        encodeFrame({
          kind: 'put',
          bucketId,
          key,
          sequence: header.sequence,
          record: bytes,
          from: '',
          settle: false,
        }),
      )
      await file.write(Buffer.concat(frames))
      records += own.length
      start = page.next
      await turn()
    }
    await file.datasync()
  } finally {
    await file.close()
  }
  return records
}

/** Every mark, whichever journal it stood in: one too many costs a question, one too few an answer. */
function marksFrame(context: StoreContext): Buffer {
  return Buffer.concat(
    context.index
      .unsettledMarks()
      .map(({ bucketId, key, sequence }) =>
        encodeFrame({ kind: 'unsettled', bucketId, key, sequence }),
      ),
  )
}
