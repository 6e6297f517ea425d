import { failpoint } from '@forebay/base/failpoint'
import { syncFileSystem } from '../os/sync-file-system.ts'
import { errorCode } from './journal.ts'
import { type MountpathState, writeState } from './mountpath-state.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** How much of what was not synced a power loss may cost, ms. */
export const SYNC_MARK_INTERVAL_MS = 30_000

/** How often a mark is due while something is unsynced; ends with the signal. */
export async function keepSyncMarks(
  context: StoreContext,
  intervalMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    try {
      await context.clock.sleep(intervalMs, signal)
    } catch {
      // The store closes; it writes a last mark itself.
      return
    }
    await Promise.all(context.drives.map((drive) => markQuietly(context, drive)))
  }
}

/**
 * Puts everything on the drive on disk, then writes how far that is (rule 7). What is committed while
 * the system syncs may or may not be on disk, so the mark stops before it.
 */
export async function writeSyncMark(
  context: StoreContext,
  drive: Drive,
  clean = false,
): Promise<void> {
  const unsynced = drive.unsyncedCommits
  const syncedBelow = firstInFlight(drive) ?? context.sequence.next
  await syncFileSystem(drive.mountpath.fd)
  await failpoint('mark:synced')
  const state: MountpathState = { ...drive.state, syncedBelow, clean }
  await writeState(drive.mountpath.root, state)
  await failpoint('mark:written')
  drive.state = state
  drive.unsyncedCommits -= unsynced
}

/** The oldest commit that is not finished: it may be journalled and its file not written to disk. */
function firstInFlight(drive: Drive): number | undefined {
  for (const first of drive.inFlight) return first
  return undefined
}

async function markQuietly(context: StoreContext, drive: Drive): Promise<void> {
  if (drive.unsyncedCommits === 0) return
  try {
    await writeSyncMark(context, drive)
  } catch (error) {
    // The next interval tries again; until then a power loss costs more fills, and nothing else.
    context.observer.event('sync-failed', {
      mountpath: drive.mountpath.root,
      code: errorCode(error) ?? 'failed',
    })
  }
}
