import { crc32c } from '@forebay/base/digest'
import { isFailure } from '@forebay/base/failure'
import type { ReadRequest } from '@forebay/peer/target-port'
import { diskGateOf } from '../os/disk-gate.ts'
import { readAt } from '../os/file-io.ts'
import type { BlockTable, ObjectRecord } from '../store/contract.ts'
import { abortable } from './abortable.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { dropCorrupt } from './drop-corrupt.ts'
import { storedDigest } from './expected-digest.ts'
import { digestFile } from './file-digest.ts'
import { sameVersion } from './same-version.ts'
import { wantedRange } from './wanted-range.ts'

/** Ranges of a version are read without another look at all of it for so long, ms. */
const RANGES_TRUSTED_MS = 60_000

/** Versions of which that is remembered; the oldest is forgotten first. */
const TRUSTED_MAX = 10_000

/** Unit of reads, bytes. */
const SLICE_BYTES = 1024 ** 2

/** Versions whose bytes were looked at of late, by the counter of their stamp. */
export class VerifiedLately {
  readonly #untilMs = new Map<number, number>()

  has({ stamp }: ObjectRecord, nowMs: number): boolean {
    return (this.#untilMs.get(stamp.counter) ?? Number.NEGATIVE_INFINITY) > nowMs
  }

  add({ stamp }: ObjectRecord, nowMs: number): void {
    this.#untilMs.delete(stamp.counter)
    this.#untilMs.set(stamp.counter, nowMs + RANGES_TRUSTED_MS)
    if (this.#untilMs.size <= TRUSTED_MAX) return
    for (const [oldest] of this.#untilMs) {
      this.#untilMs.delete(oldest)
      return
    }
  }
}

/**
 * What to wait for before an entry may be served: false means that the caller looks again. Undefined
 * for an entry that nobody doubts.
 */
export function doubtOf(
  context: ObjectContext,
  request: ReadRequest,
  record: ObjectRecord,
): Promise<boolean> | undefined {
  const mending = context.mending.isAny
    ? context.mending.of(keyIdOf(request.bucket, request.key))
    : undefined
  if (mending !== undefined) return abortable(mending, request.signal).then(() => false)
  const { verifyWarm: always } = context.propertiesOf(request.bucket)
  if (!always && !context.store.isDoubtful(record)) return undefined
  return verifyWarm(context, request, record)
}

/**
 * For a bucket with `verifyWarm`, and for what a power loss made doubtful: reads what is about to be sent and compares checksums, before the
 * first byte leaves. What is damaged is given up, or marked where there is no other copy.
 *
 * A whole entry is read as a whole, also for a range, but for ranges that follow within a minute, and
 * what is only doubtful once a minute. Of a partial one only the blocks are read that are there and wanted.
 *
 * @returns false when the entry was damaged: look again
 * @throws Failure `disk-error` | `slow-down`
 */
async function verifyWarm(
  context: ObjectContext,
  request: ReadRequest,
  record: ObjectRecord,
): Promise<boolean> {
  const intact =
    record.blocks === undefined
      ? await isWholeIntact(context, request, record)
      : await areBlocksIntact(context, request, { record, table: record.blocks })
  if (intact) return true
  if (request.bucket.backend === undefined) await markDamaged(context, request, record)
  else await dropCorrupt(context, request, record)
  return false
}

async function isWholeIntact(
  context: ObjectContext,
  request: ReadRequest,
  record: ObjectRecord,
): Promise<boolean> {
  const { attributes } = record
  const known = storedDigest(record)
  const now = context.clock.monotonic()
  const { verifyWarm: always } = context.propertiesOf(request.bucket)
  const mayTrust = !always || wantedRange(request, attributes).kind === 'range'
  if (known === undefined || (mayTrust && context.verified.has(record, now))) return true
  const lease = context.store.open(record)
  // What to do about a file that is not there the caller knows.
  if (lease === undefined) return true
  try {
    const digests = await digestFile(lease, attributes.sizeBytes, [known.algorithm])
    const intact = digests.get(known.algorithm) === known.hex
    if (intact) context.verified.add(record, now)
    return intact
  } catch (error) {
    if (isFailure(error, 'object-corrupt')) return false
    throw error
  } finally {
    lease.release()
  }
}

async function areBlocksIntact(
  context: ObjectContext,
  request: ReadRequest,
  { record, table }: { readonly record: ObjectRecord; readonly table: BlockTable },
): Promise<boolean> {
  const { sizeBytes } = record.attributes
  const wanted = wantedRange(request, record.attributes)
  if (wanted.kind === 'unsatisfiable') return true
  const { offset, lengthBytes } =
    wanted.kind === 'range' ? wanted.range : { offset: 0, lengthBytes: sizeBytes }
  const file = context.store.openPartial(record)
  if (file === undefined) return true
  try {
    const last = Math.floor((offset + lengthBytes - 1) / table.blockBytes)
    for (let index = Math.floor(offset / table.blockBytes); index <= last; index++) {
      const expected = table.crcs[index] ?? -1
      if (expected < 0) continue
      const start = index * table.blockBytes
      const end = Math.min(sizeBytes, start + table.blockBytes)
      if ((await crcOf(file.fd, start, end)) !== expected) return false
    }
    return true
  } finally {
    file.discard()
  }
}

/** @returns undefined where the file ends early */
async function crcOf(fd: number, start: number, end: number): Promise<number | undefined> {
  const gate = diskGateOf(fd)
  let crc = 0
  for (let offset = start; offset < end; ) {
    const buffer = Buffer.allocUnsafe(Math.min(SLICE_BYTES, end - offset))
    const at = offset
    const bytesRead = await gate.run(() => readAt(fd, buffer, at))
    if (bytesRead === 0) return undefined
    crc = crc32c(buffer.subarray(0, bytesRead), crc)
    offset += bytesRead
  }
  return crc
}

async function markDamaged(
  context: ObjectContext,
  { bucket, key }: ReadRequest,
  record: ObjectRecord,
): Promise<void> {
  await context.locks.hold(keyIdOf(bucket, key), async () => {
    const current = context.store.get(bucket.id, key)
    if (current === undefined || !sameVersion(current, record) || current.damaged === true) return
    context.observer.warn('a damaged object is refused', { bucket: bucket.ref.name, key })
    await context.store.noteFound(current, { damaged: true })
  })
}
