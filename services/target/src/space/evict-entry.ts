import { failpoint } from '@forebay/base/failpoint'
import { removeEntry } from '../store/remove.ts'
import type { SweptEntry } from '../store/scan.ts'
import type { StoreContext } from '../store/store-context.ts'

/**
 * Removes an entry that a sweep found, under its key's lock like any other writer; one that is being
 * filled stays, and so does one that the backend must be asked about.
 *
 * @param leaving what to remove it for, and whether that holds still
 * @returns false when the entry is another one by now, in use, or could not be removed
 */
export async function evictEntry(
  context: StoreContext,
  { bucketId, key, header }: SweptEntry,
  leaving: { readonly why: 'evict' | 'stale'; isDue(mountpath: number): boolean },
): Promise<boolean> {
  const { index, filling } = context
  if (filling.has(header.inode) || index.isUnsettled(bucketId, key)) return false
  await failpoint('evict:chosen')
  const release = await context.lockKey(bucketId, key)
  try {
    await failpoint('evict:locked')
    const record = index.current(bucketId, key)
    if (record === undefined || record.stamp.counter !== header.counter) return false
    if (filling.has(record.location.inode) || index.isUnsettled(bucketId, key)) return false
    if (!leaving.isDue(record.location.mountpath)) return false
    const { why } = leaving
    return await removeEntry(context, { bucketId, key }, { sync: false, settle: false, why })
  } finally {
    release()
  }
}
