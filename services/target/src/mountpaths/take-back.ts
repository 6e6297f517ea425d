import { mkdirSync } from 'node:fs'
import { lstat, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { hrwDigest } from '@forebay/model/hrw'
import { compact } from '../store/compaction.ts'
import { encodeName } from '../store/index-db.ts'
import { errorCode } from '../store/journal.ts'
import { OWN } from '../store/mountpath.ts'
import { RESERVED_NAME } from '../store/naming.ts'
import { appliedPosition } from '../store/record-index.ts'
import { beginState, dropTorn, noteTorn, replayJournal, replayRemovals } from '../store/recover.ts'
import { Replay, unlinkIf } from '../store/recovery.ts'
import { sweepPage } from '../store/scan.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'
import { sweepPacks } from '../store/sweep-packs.ts'
import type { MountpathRow } from './mountpath-table.ts'

const PAGE_MAX = 500

/**
 * Brings a mountpath that was away to what the index says: what was replaced or removed meanwhile
 * is gone from its journal and its disk before anybody can find it there. Nothing is served from it
 * until the caller has put it back; it then calls `tellMissed` once more.
 */
export async function takeBack(
  context: StoreContext,
  drive: Drive,
  { replay, signal }: { readonly replay: MountpathRow['replay']; readonly signal: AbortSignal },
): Promise<void> {
  const { index } = context
  const { number, root } = drive.mountpath
  const drives = new Map(context.driveByNumber).set(number, drive)
  await index.settled()
  // Nothing of what follows may overtake what the index lacks of this journal.
  const from = replay === 'all' ? 0 : (appliedPosition(index.databases, number) ?? 0)
  if (replay !== 'none') drive.journal.hold(from)
  const torn = await dropTorn(context, new Map([[number, drive]]))
  if (replay !== 'none') {
    const reader = new Replay({ drives, copies: [], observer: context.observer })
    await replayJournal(context, { drive, from }, reader)
    for (const other of context.drives) await replayRemovals(other, reader)
    torn.push(...(await reader.resolve(index)))
  }
  await noteTorn(context, torn)
  await index.settled()
  if (replay !== 'none') drive.journal.applied(from)
  doubtEarlier(context, drive)
  await beginState(context, drive)
  await failpoint('return:judged')
  await compact(context, drive, signal)
  await sweepStrangers(context, drive)
  await sweepPacks(context, [drive], signal)
  drive.trash.takeNow(OWN.work)
  mkdirSync(join(root, OWN.work))
  await tellMissed(context, drive)
  index.setApplied(number, drive.journal.appliedBelow())
  await index.persistPositions()
  await index.databases.root.flushed
  await failpoint('return:compacted')
}

/**
 * Makes what a backend confirmed until now count for nothing: events, listings and answers that came
 * while the mountpath was away found none of its copies to make stale (rule 9).
 */
export function doubtEarlier(context: StoreContext, drive: Drive): void {
  drive.state = { ...drive.state, suspectBelow: context.sequence.next }
}

/** Tells a mountpath what it lost since the index was asked, in its journal and on its disk. */
export async function tellMissed(context: StoreContext, drive: Drive): Promise<void> {
  const { number, root } = drive.mountpath
  const notes = context.missed.take(number).map(({ record, sequence }) => {
    const { bucketId, key, location } = record
    const { path, inode } = location
    unlinkIf(root, { path, inode })
    void drive.packs.free(path)
    return drive.journal.note(
      { kind: 'remove', bucketId, key, sequence, path, inode, why: 'moved', settle: false },
      true,
    )
  })
  await Promise.all(notes)
}

/** Removes the files of objects that no record knows: nobody else will. */
async function sweepStrangers(context: StoreContext, drive: Drive): Promise<void> {
  const { root } = drive.mountpath
  const known = await knownPaths(context, drive.mountpath.number)
  for (const path of await bucketDirectories(root)) {
    await sweepBelow(context, { root, path }, known)
  }
  for (const name of await readdir(join(root, OWN.partial))) {
    await sweepBelow(context, { root, path: `${OWN.partial}/${name}` }, known)
  }
}

/** What is ours below a mountpath: `<provider>/<namespace>/<bucket>.<id>`. */
export async function bucketDirectories(root: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const provider of await directoriesIn(root, '')) {
    if (provider === RESERVED_NAME) continue
    for (const namespace of await directoriesIn(root, provider)) {
      const path = `${provider}/${namespace}`
      const buckets = await directoriesIn(root, path)
      found.push(...buckets.filter((name) => /\.\d+$/.test(name)).map((name) => `${path}/${name}`))
    }
  }
  return found
}

async function directoriesIn(root: string, path: string): Promise<readonly string[]> {
  const entries = await readdir(join(root, path), { withFileTypes: true }).catch(() => [])
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
}

/** By digest, to be small: of two paths with the same one a stranger stays, and is only in the way. */
async function knownPaths(context: StoreContext, mountpath: number): Promise<ReadonlySet<number>> {
  const known = new Set<number>()
  let start: Uint8Array | undefined = encodeName(0, '')
  while (start !== undefined) {
    const page = sweepPage(context.index.databases, start, PAGE_MAX)
    for (const { header } of page.entries) {
      if (header.mountpath === mountpath) known.add(hrwDigest(header.path).low)
    }
    start = page.next
    await turn()
  }
  return known
}

async function sweepBelow(
  context: StoreContext,
  { root, path }: { readonly root: string; readonly path: string },
  known: ReadonlySet<number>,
): Promise<void> {
  const full = join(root, path)
  try {
    if (!(await lstat(full)).isDirectory()) {
      if (!known.has(hrwDigest(path).low)) await unlink(full)
      return
    }
    for (const name of await readdir(full)) {
      await sweepBelow(context, { root, path: `${path}/${name}` }, known)
    }
  } catch (error) {
    context.observer.event('file-left-behind', { path: full, code: errorCode(error) ?? 'failed' })
  }
}
