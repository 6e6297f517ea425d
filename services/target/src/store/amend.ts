import { fdatasync } from 'node:fs'
import { promisify } from 'node:util'
import { Failure } from '@forebay/base/failure'
import { diskFailure } from '../os/disk-gate.ts'
import type { ObjectRecord } from './contract.ts'
import { encodeRecord, type RecordHeader } from './record-codec.ts'
import type { Drive, StoreContext } from './store-context.ts'

const fdatasyncAsync = promisify(fdatasync)

/**
 * Gives a whole object other attributes of the same bytes, or notes what was found of these: same
 * file, same stamp. After a crash the
 * object has the old ones or the new ones. The journal entry is one of a file that stays where it is.
 *
 * The new state counts as synced, so the bytes and the name are brought to disk before: a bucket that
 * does not sync its writes may have left that to later.
 *
 * @throws Failure `object-busy` when the key has another version meanwhile, `object-corrupt` when its
 *   file cannot be opened, `disk-error`
 */
export async function amendRecord(
  context: StoreContext,
  record: ObjectRecord,
  change: Partial<Pick<ObjectRecord, 'attributes' | 'damaged' | 'contentXxh64'>>,
): Promise<ObjectRecord> {
  const { bucketId, key, stamp } = record
  const current = context.index.current(bucketId, key)
  const header = context.index.header({ bucketId, key })
  const drive = context.driveByNumber.get(record.location.mountpath)
  if (current?.stamp.counter !== stamp.counter || header === undefined || drive === undefined) {
    throw new Failure('object-busy', `${key}: the object was replaced meanwhile`)
  }
  if (current.blocks !== undefined) throw new Failure('internal', 'an object with holes is amended')
  try {
    if (!header.synced) await syncFile(context, current, drive)
    return await writeAmended(context, Object.freeze({ ...current, ...change }), { header, drive })
  } catch (error) {
    throw diskFailure(error, `${drive.mountpath.root}: the object could not be changed`)
  }
}

async function syncFile(context: StoreContext, record: ObjectRecord, drive: Drive): Promise<void> {
  const lease = context.files.lease(record)
  if (lease === undefined) {
    throw new Failure('object-corrupt', `${record.key}: the object's file is missing or damaged`)
  }
  try {
    await fdatasyncAsync(lease.fd)
  } finally {
    lease.release()
  }
  await context.directories.syncUp(drive.mountpath.root, record.location.path)
}

async function writeAmended(
  context: StoreContext,
  record: ObjectRecord,
  { header, drive }: { readonly header: RecordHeader; readonly drive: Drive },
): Promise<ObjectRecord> {
  const { bucketId, key } = record
  const { journal } = drive
  const sequence = context.sequence.take()
  const bytes = encodeRecord(record, { ...header, sequence, synced: true })
  drive.inFlight.add(sequence)
  try {
    const position = await journal.append(
      { kind: 'put', bucketId, key, sequence, record: bytes, from: '', settle: false },
      true,
    )
    const applies = [{ journal, position }]
    await context.index.write({ bucketId, key, entry: { record, bytes }, applies })
    return record
  } finally {
    drive.inFlight.delete(sequence)
  }
}
