import { rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { failpoint } from '@forebay/base/failpoint'
import { placeOf } from './commit.ts'
import type { CommitOptions, ObjectRecord } from './contract.ts'
import { errorCode } from './journal.ts'
import { RESERVED_NAME } from './naming.ts'
import { isPackPath } from './pack-place.ts'
import type { Drive, StoreContext } from './store-context.ts'

/** Files above this are moved to the trash and removed later: freeing their blocks takes long. */
const UNLINK_BYTES_MAX = 16 * 1024 ** 2

/** Directories of a bucket are this deep below the mountpath; they stay when they are empty. */
const BUCKET_DEPTH = 3

export type RemoveOptions = CommitOptions & {
  readonly why: 'delete' | 'evict' | 'stale' | 'corrupt'
}

/**
 * Removes the key's version: tombstone in the journal, unlink, index.
 *
 * From the tombstone on the version is gone, whatever fails behind it.
 *
 * @returns false when there was none; the key is settled all the same where that was asked for
 */
export async function removeEntry(
  context: StoreContext,
  name: { readonly bucketId: number; readonly key: string },
  options: RemoveOptions,
): Promise<boolean> {
  const { bucketId, key } = name
  const record = context.index.current(bucketId, key)
  const home = record && context.driveByNumber.get(record.location.mountpath)
  const drive = home ?? context.drives[0]
  if (drive === undefined) return false
  const unreadable = record === undefined && context.index.has(bucketId, key)
  if (record === undefined && !unreadable) {
    if (options.settle && context.index.isUnsettled(bucketId, key)) {
      await settleEntry(context, name)
    }
    return false
  }
  const { settle, sync, why } = options
  const { path, inode } = record?.location ?? { path: '', inode: 0 }
  const sequence = context.sequence.take()
  await failpoint('remove:begun')
  const position = await drive.journal.append(
    { kind: 'remove', bucketId, key, sequence, path, inode, why, settle },
    sync,
  )
  context.index.hide(bucketId, key)
  try {
    await failpoint('remove:journalled')
    if (record !== undefined) {
      context.policies.removed(placeOf(record), why === 'evict')
      await leavePlace(context, record, { sequence, told: drive })
    }
    await failpoint('remove:unlinked')
  } catch (error) {
    // The tombstone stands. The name left behind is nobody's; a later version renames over it.
    context.observer.event('file-left-behind', { path, code: errorCode(error) ?? 'failed' })
  }
  await context.index.write({
    bucketId,
    key,
    entry: undefined,
    unsettled: settle ? 'settle' : undefined,
    applies: [{ journal: drive.journal, position }],
  })
  await failpoint('remove:indexed')
  return true
}

/**
 * Takes the version from where it lies. Its mountpath may have left or come back while the tombstone
 * was written: one that has no tombstone in its own journal is told too.
 */
async function leavePlace(
  context: StoreContext,
  record: ObjectRecord,
  { sequence, told }: { readonly sequence: number; readonly told: Drive },
): Promise<void> {
  const home = context.driveByNumber.get(record.location.mountpath)
  if (home === undefined) {
    context.missed.removed(record, sequence)
    return
  }
  await removeFile(context, home, record)
  if (home === told) return
  const { bucketId, key, location } = record
  const { path, inode } = location
  await home.journal.note(
    { kind: 'remove', bucketId, key, sequence, path, inode, why: 'moved', settle: false },
    false,
  )
}

/** Takes the file's name away and forgets its descriptor; those who have it open keep reading. */
async function removeFile(
  context: StoreContext,
  drive: Drive,
  record: ObjectRecord,
): Promise<void> {
  context.files.drop(record)
  const { path } = record.location
  if (isPackPath(path)) {
    await drive.packs.free(path)
    return
  }
  if (record.attributes.sizeBytes > UNLINK_BYTES_MAX) {
    await drive.trash.take(path)
  } else {
    try {
      await unlink(join(drive.mountpath.root, path))
    } catch (error) {
      if (errorCode(error) !== 'ENOENT' && errorCode(error) !== 'ENOTDIR') throw error
    }
  }
  if (!path.startsWith(`${RESERVED_NAME}/`)) await pruneDirectories(context, drive, path)
}

/** Removes the directories of the key that are empty now, never the bucket's own. */
async function pruneDirectories(context: StoreContext, drive: Drive, path: string): Promise<void> {
  let parent = dirname(path)
  while (parent.split('/').length > BUCKET_DEPTH) {
    try {
      await rmdir(join(drive.mountpath.root, parent))
    } catch {
      // Not empty, or somebody else removed it: either way there is nothing more to do above.
      return
    }
    context.directories.forget(join(drive.mountpath.root, parent))
    parent = dirname(parent)
  }
}

/** Marks the key: until it is settled, the backend is asked before it is answered (rule 3). */
export async function markUnsettled(
  context: StoreContext,
  name: { readonly bucketId: number; readonly key: string },
): Promise<void> {
  const [drive] = context.drives
  if (drive === undefined) return
  const { bucketId, key } = name
  const sequence = context.sequence.take()
  await failpoint('unsettled:begun')
  // Not synced: a power loss makes every entry of a backend's bucket ask anyway (rule 7).
  const { journal } = drive
  const position = await journal.append({ kind: 'unsettled', bucketId, key, sequence }, false)
  await failpoint('unsettled:journalled')
  const applies = [{ journal, position }]
  await context.index.write({ bucketId, key, entry: 'keep', unsettled: sequence, applies })
  await failpoint('unsettled:indexed')
}

/** Takes the mark away. */
export async function settleEntry(
  context: StoreContext,
  name: { readonly bucketId: number; readonly key: string },
): Promise<void> {
  const [drive] = context.drives
  if (drive === undefined) return
  const { bucketId, key } = name
  const sequence = context.sequence.take()
  const { journal } = drive
  const position = await journal.append({ kind: 'settled', bucketId, key, sequence }, false)
  const applies = [{ journal, position }]
  await context.index.write({ bucketId, key, entry: 'keep', unsettled: 'settle', applies })
}
