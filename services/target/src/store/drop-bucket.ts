import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import type { BucketRecord } from '@forebay/model/bucket'
import { encodeName } from './index-db.ts'
import { bucketDirectory, RESERVED_NAME } from './naming.ts'
import { sweepPage } from './scan.ts'
import type { StoreContext } from './store-context.ts'

/** Records removed between two turns of the event loop. */
const PAGE_MAX = 500

/** Removes every record and file of a bucket, and refuses new ones. A crash in the middle is finished by the next start. */
export async function dropWholeBucket(context: StoreContext, bucket: BucketRecord): Promise<void> {
  await context.buckets.close(bucket.id)
  const sequence = context.sequence.take()
  const entry = { kind: 'drop-bucket', bucketId: bucket.id, sequence } as const
  const positions = await Promise.all(
    context.drives.map(async ({ journal }) => ({
      journal,
      position: await journal.append(entry, true),
    })),
  )
  await failpoint('drop:journalled')
  await removeBucketRecords(context, bucket.id)
  await failpoint('drop:indexed')
  for (const drive of context.drives) await drive.trash.take(bucketDirectory(bucket))
  for (const { journal, position } of positions) journal.applied(position)
}

/**
 * Finishes a drop that a crash interrupted: the bucket's row may be gone, its id is in the names of
 * its directories (`<provider>/<namespace>/<bucket>.<id>`).
 */
export async function finishDrop(context: StoreContext, bucketId: number): Promise<void> {
  await removeBucketRecords(context, bucketId)
  for (const { mountpath, trash } of context.drives) {
    for (const provider of directoriesIn(mountpath.root, '')) {
      if (provider === RESERVED_NAME) continue
      for (const namespace of directoriesIn(mountpath.root, provider)) {
        for (const name of directoriesIn(mountpath.root, `${provider}/${namespace}`)) {
          if (name.endsWith(`.${bucketId}`)) trash.takeNow(`${provider}/${namespace}/${name}`)
        }
      }
    }
  }
}

function directoriesIn(root: string, path: string): readonly string[] {
  return readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
}

/** Removes the records of a bucket, the names of its partial files and its marks. */
export async function removeBucketRecords(context: StoreContext, bucketId: number): Promise<void> {
  const { databases } = context.index
  context.policies.dropBucket(bucketId)
  context.seenOnce.dropBucket(bucketId)
  for (const mark of context.index.unsettledMarks()) {
    if (mark.bucketId !== bucketId) continue
    await context.index.write({ ...mark, entry: 'keep', unsettled: 'settle', applies: [] })
  }
  for (;;) {
    await context.index.settled()
    const { entries } = sweepPage(databases, encodeName(bucketId, ''), PAGE_MAX)
    const own = entries.filter((entry) => entry.bucketId === bucketId)
    if (own.length === 0) break
    const writes = own.map(async ({ key, header }) => {
      const record = context.index.current(bucketId, key)
      if (record !== undefined) context.files.drop(record)
      const drive = context.driveByNumber.get(header.mountpath)
      const freed = drive?.packs.free(header.path)
      if (header.partial && drive !== undefined) void drive.trash.take(header.path)
      await context.index.write({
        bucketId,
        key,
        entry: undefined,
        unsettled: 'settle',
        applies: [],
      })
      await freed
    })
    await Promise.all(writes)
    await turn()
  }
}
