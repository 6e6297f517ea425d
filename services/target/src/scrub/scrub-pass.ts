import { Buffer } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { isFailure } from '@forebay/base/failure'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { ScrubCounts, ScrubFinding } from '@forebay/peer/scrub-port'
import type { ObjectContext } from '../objects/context.ts'
import { encodeName, nextAfterPrefix } from '../store/index-db.ts'
import { decodeRecord } from '../store/record-codec.ts'
import { type SweptEntry, sweepPage } from '../store/scan.ts'
import type { StoreContext } from '../store/store-context.ts'
import { type BeforeRead, checkEntry, type Verdict } from './check-entry.ts'
import { findOrphans } from './find-orphans.ts'
import { type BadVerdict, noteGood, repairEntry } from './repair.ts'
import type { ScrubCursor } from './scrub-document.ts'

/** Entries taken from the index at a time: the look at them takes no turn of the loop for long. */
const PAGE_MAX = 100

/** Looks at an entry that seems bad before an object that exists only here is called damaged. */
const LOOKS_MAX = 2

/** What a pass goes over and what it stands on. */
export interface ScrubPassOptions {
  readonly objects: ObjectContext
  readonly store: StoreContext
  readonly scope: { readonly bucketId: number; readonly prefix: string } | undefined
  /** The last entry of which the pass is done. */
  readonly cursor: ScrubCursor | undefined
  readonly beforeRead: BeforeRead
  readonly signal: AbortSignal
  /** Told of each entry that was looked at, with what that adds to the counts. */
  onLooked(cursor: ScrubCursor, counts: Partial<ScrubCounts>): void
  onFound(finding: ScrubFinding): void
  /** Told of each file that no record knows. */
  onOrphan(path: string): void
  /** Fetches an object again whose copy was given up. @returns whether it is there now */
  fetchAgain(bucket: BucketRecord, key: string): Promise<boolean>
}

/**
 * Goes over the entries of the index in their order, from behind the cursor to the end, and looks at
 * the bytes of each; at the end of all for files that have no entry. What is written while it goes on
 * is young: the next pass sees it.
 */
export async function runScrubPass(options: ScrubPassOptions): Promise<void> {
  const { store, scope, cursor, signal } = options
  const first = scope === undefined ? encodeName(0, '') : encodeName(scope.bucketId, scope.prefix)
  const end = scope === undefined ? undefined : nextAfterPrefix(first)
  let start: Uint8Array | undefined =
    cursor === undefined ? first : encodeName(cursor.bucketId, `${cursor.key}\0`)
  await store.index.settled()
  while (start !== undefined) {
    const page = sweepPage(store.index.databases, start, PAGE_MAX)
    for (const entry of page.entries) {
      signal.throwIfAborted()
      if (end !== undefined && Buffer.compare(encodeName(entry.bucketId, entry.key), end) >= 0)
        return
      await lookAt(options, entry)
    }
    await failpoint('scrub:page')
    start = page.next
    await turn()
  }
  if (scope === undefined) {
    const { clock, observer } = options.objects
    await findOrphans({
      ...options,
      nowMs: () => clock.now(),
      onTrouble: (mountpath, error) =>
        observer.warn('a scrub could not look for unknown files', { mountpath, error }),
    })
  }
}

async function lookAt(options: ScrubPassOptions, entry: SweptEntry): Promise<void> {
  const { bucketId, key, header } = entry
  const bucket = options.store.bucketOf(bucketId)
  // Of a bucket that is being destroyed.
  if (bucket === undefined) return
  const counts = await judge(options, bucket, entry)
  options.onLooked({ bucketId, key }, { objects: 1, bytes: header.allocatedBytes, ...counts })
}

async function judge(
  options: ScrubPassOptions,
  bucket: BucketRecord,
  entry: SweptEntry,
): Promise<Partial<ScrubCounts>> {
  const record = decodeRecord(entry, entry.bytes)
  const drive = options.store.driveByNumber.get(entry.header.mountpath)
  if (record === undefined || drive === undefined) return { unchecked: 1 }
  const { beforeRead, signal, objects } = options
  try {
    const look = () => checkEntry(record, { drive, beforeRead, signal })
    const verdict = await lookTwice(look, bucket.backend === undefined)
    switch (verdict.kind) {
      case 'good':
        if (record.damaged === true) await noteGood(objects, { bucket, record }, undefined)
        return {}
      case 'unknown': {
        const noted = await noteGood(objects, { bucket, record }, verdict.contentXxh64)
        return noted ? { adopted: 1 } : {}
      }
      case 'bad':
        return await repair(options, { bucket, record, drive, verdict })
      default:
        return verdict satisfies never
    }
  } catch (error) {
    signal.throwIfAborted()
    if (!isFailure(error)) throw error
    return { unchecked: 1 }
  }
}

/** What memory or a bus got wrong once is no reason to refuse the only copy there is. */
async function lookTwice(look: () => Promise<Verdict>, only: boolean): Promise<Verdict> {
  let verdict = await look()
  for (let looks = 1; looks < LOOKS_MAX && only && verdict.kind === 'bad'; looks++) {
    verdict = await look()
  }
  return verdict
}

async function repair(
  options: ScrubPassOptions,
  bad: Parameters<typeof repairEntry>[1] & { readonly verdict: BadVerdict },
): Promise<Partial<ScrubCounts>> {
  const { bucket, record, drive, verdict } = bad
  const finding = {
    bucket: formatBucket(bucket.ref),
    key: record.key,
    damage: verdict.damage,
    path: `${drive.mountpath.root}/${record.location.path}`,
    foundMs: options.objects.clock.now(),
  }
  try {
    const action = await repairEntry(options.objects, bad)
    if (action === undefined) return {}
    const again =
      action === 'dropped' &&
      record.blocks === undefined &&
      (await options.fetchAgain(bucket, record.key))
    options.onFound({ ...finding, action: again ? 'fetched-again' : action })
    return { damaged: 1, repaired: action === 'kept-damaged' ? 0 : 1 }
  } catch (error) {
    if (!isFailure(error)) throw error
    options.objects.observer.warn('a damaged entry could not be given up', {
      key: record.key,
      error,
    })
    options.onFound({ ...finding, action: 'failed' })
    return { damaged: 1 }
  }
}
