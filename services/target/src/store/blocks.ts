import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { allocatedBytes, finalPaths, placeOf, publishRecord } from './commit.ts'
import type { BlockTable, ObjectRecord } from './contract.ts'
import { encodeRecord } from './record-codec.ts'
import type { Drive, StoreContext } from './store-context.ts'

/**
 * Journals blocks that were written to a partial file, and installs the new table. With the last
 * block the file gets its final name and the record is an ordinary one, of the same stamp.
 *
 * @throws Failure `object-busy` when the key has another version meanwhile
 */
export async function recordWrittenBlocks(
  context: StoreContext,
  record: ObjectRecord,
  blocks: ReadonlyMap<number, number>,
): Promise<ObjectRecord> {
  const current = context.index.current(record.bucketId, record.key)
  const drive = context.driveByNumber.get(record.location.mountpath)
  if (current === undefined || current.stamp.counter !== record.stamp.counter) {
    throw new Failure('object-busy', 'the version was replaced while its blocks were fetched')
  }
  // Somebody else wrote the last block: there is nothing left to record.
  if (current.blocks === undefined || drive === undefined) return current
  const table = withBlocks(current.blocks, blocks)
  await failpoint('blocks:begun')
  const added = { ...current, blocks: table }
  return table.crcs.every((crc) => crc >= 0)
    ? await becomeWhole(context, added, drive)
    : await addBlocks(context, { record: added, drive }, blocks)
}

async function addBlocks(
  context: StoreContext,
  { record, drive }: { readonly record: ObjectRecord; readonly drive: Drive },
  blocks: ReadonlyMap<number, number>,
): Promise<ObjectRecord> {
  const { bucketId, key, stamp } = record
  const { journal, mountpath } = drive
  const before = context.index.header({ bucketId, key })
  const sequence = context.sequence.take()
  drive.inFlight.add(sequence)
  try {
    const position = await journal.append(
      {
        kind: 'blocks',
        bucketId,
        key,
        sequence,
        counter: stamp.counter,
        blocks: [...blocks].flat(),
      },
      false,
    )
    await failpoint('blocks:journalled')
    const frozen = Object.freeze(record)
    const bytes = encodeRecord(frozen, {
      sequence,
      validSequence: before?.validSequence ?? sequence,
      synced: false,
      allocatedBytes: allocatedBytes(frozen, mountpath.unitBytes),
    })
    const applies = [{ journal, position }]
    await context.index.write({ bucketId, key, entry: { record: frozen, bytes }, applies })
    context.policies.stored(placeOf(frozen), allocatedBytes(frozen, mountpath.unitBytes))
    await failpoint('blocks:indexed')
    return frozen
  } finally {
    drive.inFlight.delete(sequence)
    drive.unsyncedCommits += 1
  }
}

async function becomeWhole(
  context: StoreContext,
  record: ObjectRecord,
  drive: Drive,
): Promise<ObjectRecord> {
  const bucket = context.bucketOf(record.bucketId)
  if (bucket === undefined) throw new Failure('bucket-not-found', 'the bucket was destroyed')
  for (const path of finalPaths(bucket, record.key)) {
    const { inode, mountpath } = record.location
    const whole = await publishRecord(
      context,
      { ...record, location: { mountpath, path, inode }, blocks: undefined },
      {
        drive,
        from: record.location.path,
        sequence: context.sequence.take(),
        sync: false,
        settle: false,
        onNamed: () => undefined,
      },
    )
    if (whole !== undefined) return whole
  }
  throw new Failure('disk-error', `${bucket.ref.name}: no file name could be made for the key`)
}

function withBlocks(table: BlockTable, blocks: ReadonlyMap<number, number>): BlockTable {
  const crcs = Float64Array.from(table.crcs)
  for (const [at, crc] of blocks) {
    if (at < 0 || at >= crcs.length) {
      throw new Failure('internal', `block ${at} of ${crcs.length}`)
    }
    crcs[at] = crc
  }
  return Object.freeze({ blockBytes: table.blockBytes, crcs })
}
