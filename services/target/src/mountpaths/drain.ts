import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { Failure, isFailure } from '@forebay/base/failure'
import { encodeName } from '../store/index-db.ts'
import { removeEntry } from '../store/remove.ts'
import { type SweptEntry, sweepPage } from '../store/scan.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'
import { moveObject } from './move-object.ts'

/** Entries of the index that are looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** How long the last writers and fills of a mountpath that is emptied are waited for, ms. */
export const LAST_WRITERS_WAIT_MS = 60_000

/** How often it is looked whether they are done, ms. */
const LOOK_MS = 50

/** What emptying a mountpath came to, while it goes on and at its end. */
export interface DrainProgress {
  movedObjects: number
  movedBytes: number
  droppedObjects: number
}

/**
 * Empties a mountpath on which nothing new goes: objects of native buckets are moved to the others,
 * copies of what a backend has are dropped. One at a time, each under its key's lock; users have their
 * turn in between. A crash leaves every object on one mountpath or on the other.
 *
 * @throws Failure `out-of-space`, `object-corrupt` or `disk-error` for the first object that could not
 *   be moved, when all others were; the signal's reason
 */
export async function drainDrive(
  context: StoreContext,
  drive: Drive,
  { progress, signal }: { readonly progress: DrainProgress; readonly signal: AbortSignal },
): Promise<void> {
  const { number } = drive.mountpath
  const deadlineMs = context.clock.monotonic() + LAST_WRITERS_WAIT_MS
  for (;;) {
    const isLate = context.clock.monotonic() >= deadlineMs
    const busy = !isLate && drive.openWork.size > 0
    const failure = await drainOnce(context, drive, { progress, signal })
    // What was under way may have become an object behind the sweep.
    if (failure !== undefined && !(isFailure(failure, 'object-busy') && !isLate)) throw failure
    if (!busy && failure === undefined && context.index.mountpathTally(number).objects === 0) return
    await context.clock.sleep(LOOK_MS, signal)
  }
}

/** One round over the index. @returns the first failure */
async function drainOnce(
  context: StoreContext,
  drive: Drive,
  { progress, signal }: { readonly progress: DrainProgress; readonly signal: AbortSignal },
): Promise<Failure | undefined> {
  await context.index.settled()
  let failure: Failure | undefined
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const entry of page.entries) {
      if (entry.header.mountpath !== drive.mountpath.number) continue
      signal.throwIfAborted()
      try {
        await takeAway(context, drive, { entry, progress })
      } catch (error) {
        if (!(error instanceof Failure)) throw error
        failure ??= error
      }
      await turn()
    }
    start = page.next
    await turn()
  }
  await context.index.settled()
  return failure
}

async function takeAway(
  context: StoreContext,
  drive: Drive,
  { entry, progress }: { readonly entry: SweptEntry; readonly progress: DrainProgress },
): Promise<void> {
  const { bucketId, key } = entry
  const release = await context.lockKey(bucketId, key)
  try {
    const record = context.index.current(bucketId, key)
    const isHere = record?.location.mountpath === drive.mountpath.number
    if (record !== undefined && !isHere) return
    const bucket = context.bucketOf(bucketId)
    if (record !== undefined && bucket !== undefined && bucket.backend === undefined) {
      await moveObject(context, bucket, record)
      progress.movedObjects += 1
      progress.movedBytes += record.attributes.sizeBytes
      await failpoint('drain:moved')
      return
    }
    if (record !== undefined && context.filling.has(record.location.inode)) {
      throw new Failure('object-busy', `${key}: the object is being fetched`)
    }
    await removeEntry(context, { bucketId, key }, { sync: false, settle: false, why: 'evict' })
    progress.droppedObjects += 1
  } finally {
    release()
  }
}
