import { fdatasync } from 'node:fs'
import { promisify } from 'node:util'
import { Xxh64Stream } from '@forebay/base/digest'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { diskGateOf } from '../os/disk-gate.ts'
import { readAt, writeFully } from '../os/file-io.ts'
import { finalPaths, publishRecord } from '../store/commit.ts'
import type { FileLease, ObjectRecord } from '../store/contract.ts'
import type { StoreContext } from '../store/store-context.ts'
import { createWorkFile, type LocalWorkFile } from '../store/work-file.ts'

const fdatasyncAsync = promisify(fdatasync)

/** Bytes of an object that are in memory while it is moved. */
const COPY_BYTES = 1024 ** 2

/**
 * Copies a whole object to the mountpath on which a new version of its key would go, and makes that
 * its place: the same version, the same stamp. The caller holds the key's lock. A crash at any instant
 * leaves the object where it was, or where it goes.
 *
 * @throws Failure `object-corrupt` when its file is missing or has other bytes, `out-of-space`,
 *   `slow-down`, `disk-error`
 */
export async function moveObject(
  context: StoreContext,
  bucket: BucketRecord,
  record: ObjectRecord,
): Promise<void> {
  const lease = record.damaged === true ? undefined : context.files.lease(record)
  if (lease === undefined) throw corrupt(record)
  try {
    const name = { bucket, key: record.key }
    const work = await createWorkFile(context, name, record.attributes.sizeBytes)
    try {
      await copyBytes(record, lease, work)
      await fdatasyncAsync(work.fd)
      await failpoint('move:copied')
      await context.buckets.pass(bucket.id, () => publishMoved(context, name, { record, work }))
    } finally {
      work.discard()
    }
  } finally {
    lease.release()
  }
}

/** The bytes that were counted as checked once are checked again: what is damaged does not spread. */
async function copyBytes(
  record: ObjectRecord,
  lease: FileLease,
  work: LocalWorkFile,
): Promise<void> {
  const { sizeBytes } = record.attributes
  const gate = diskGateOf(lease.fd)
  const digest = new Xxh64Stream()
  const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, Math.max(1, sizeBytes)))
  for (let at = 0; at < sizeBytes; ) {
    const part = buffer.subarray(0, Math.min(buffer.length, sizeBytes - at))
    const offset = at
    const readBytes = await gate.run(() => readAt(lease.fd, part, lease.offset + offset), {
      patient: true,
    })
    if (readBytes === 0) throw corrupt(record)
    const read = part.subarray(0, readBytes)
    digest.update(read)
    await writeFully(work.fd, [read], at)
    at += readBytes
  }
  if (record.contentXxh64 !== undefined && digest.hex() !== record.contentXxh64) {
    throw corrupt(record)
  }
}

async function publishMoved(
  context: StoreContext,
  { bucket, key }: { readonly bucket: BucketRecord; readonly key: string },
  { record, work }: { readonly record: ObjectRecord; readonly work: LocalWorkFile },
): Promise<void> {
  for (const path of finalPaths(bucket, key)) {
    const moved = await publishRecord(
      context,
      { ...record, location: { mountpath: work.mountpath, path, inode: work.inode } },
      {
        drive: work.drive,
        from: work.relativePath,
        sequence: context.sequence.take(),
        sync: true,
        settle: false,
        onNamed: () => work.committed(),
      },
    )
    if (moved !== undefined) return
  }
  throw new Failure('disk-error', `${bucket.ref.name}: no file name could be made for the key`)
}

function corrupt({ key }: ObjectRecord): Failure {
  return new Failure('object-corrupt', `${key}: the object's file is missing or damaged`)
}
