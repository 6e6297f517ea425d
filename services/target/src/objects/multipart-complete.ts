import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import {
  type CrcAlgorithm,
  type CrcPart,
  combineCrcs,
  compositeDigest,
} from '@forebay/base/hash/combine-crc'
import { createDigester } from '@forebay/base/hash/digester'
import { PART_BYTES_MIN } from '@forebay/base/limits'
import { type Checksum, type ChecksumAlgorithm, checksumWord } from '@forebay/model/checksum'
import type { ObjectAttributes, StoredPart } from '@forebay/model/object'
import type { CompleteRequest, WriteAnswer } from '@forebay/peer/target-port'
import { diskGateOf } from '../os/disk-gate.ts'
import { readAt, writeFully } from '../os/file-io.ts'
import type { FileLease, ObjectRecord, WorkFile } from '../store/contract.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { PART_CRC64NVME, removeParts, storeDescription, uploadLock } from './multipart-native.ts'
import { findUpload, noSuchUpload, partKey, type UploadDescription } from './multipart-record.ts'
import { SYSTEM_BUCKET_ID } from './system-bucket.ts'
import { checkConditions } from './write.ts'

/** Unit in which parts are put together, bytes. */
const COPY_SLICE_BYTES = 1024 ** 2

/**
 * Makes the object out of its parts. Repeatable: a Complete whose answer was lost is answered again,
 * and never makes a second version of what it already made.
 */
export async function completeNativeUpload(
  context: ObjectContext,
  request: CompleteRequest,
): Promise<WriteAnswer> {
  const { bucket, key, uploadId } = request
  const address = { bucketId: bucket.id, key, uploadId }
  return context.locks.hold(uploadLock(uploadId), async () => {
    const upload = findUpload(context.store, address)
    const repeated = alreadyDone(context, upload)
    if (repeated !== undefined) return repeated
    const parts = chooseParts(context, request, upload)
    const work = await context.store.createWork(bucket, key, totalBytes(parts))
    try {
      const contentXxh64 = await assemble(context, work, parts)
      const attributes = completedAttributes(context, request, { upload, parts })
      await publish(context, request, { upload, work, attributes, contentXxh64 })
      return { attributes }
    } finally {
      work.discard()
    }
  })
}

/** The answer of a Complete that went through before, also when a crash followed its commit. */
function alreadyDone(context: ObjectContext, upload: UploadDescription): WriteAnswer | undefined {
  const { completing } = upload
  if (completing === undefined) return undefined
  const current = context.store.get(upload.bucketId, upload.key)
  if (current?.attributes.etag === completing.etag) return { attributes: current.attributes }
  if (!completing.done) return undefined
  // Done, and the object was overwritten or deleted since: there is nothing left to complete.
  throw noSuchUpload()
}

/**
 * The stored parts that a completion names, in its order.
 *
 * @throws Failure `part-invalid` | `part-order-invalid` | `entity-too-small` | `bad-request` | `digest-mismatch`
 */
export function chooseParts(
  context: ObjectContext,
  request: CompleteRequest,
  upload: UploadDescription,
): readonly ObjectRecord[] {
  if (request.parts.length === 0) throw new Failure('xml-malformed', 'the list of parts is empty')
  checkAscending(request)
  checkKind(request, upload)
  const records = request.parts.map((part, index) => {
    const record = context.store.get(SYSTEM_BUCKET_ID, partKey(request.uploadId, part.partNumber))
    checkPartChecksum(part, upload)
    if (
      record === undefined ||
      record.attributes.etag !== part.etag ||
      !checksumsAgree(part.checksums, record)
    ) {
      throw new Failure(
        'part-invalid',
        `part ${part.partNumber} was not uploaded, or with another ETag or checksum`,
      )
    }
    const last = index === request.parts.length - 1
    if (!last && record.attributes.sizeBytes < PART_BYTES_MIN) {
      throw new Failure(
        'entity-too-small',
        `part ${part.partNumber} is smaller than ${PART_BYTES_MIN} bytes and not the last`,
      )
    }
    return record
  })
  const sizeBytes = totalBytes(records)
  if (request.sizeBytes !== undefined && request.sizeBytes !== sizeBytes) {
    throw new Failure(
      'bad-request',
      `The provided 'x-amz-mp-object-size' header value ${request.sizeBytes} does not match what was computed: ${sizeBytes}`,
      { facts: { verbatim: true } },
    )
  }
  checkConsecutive(request, upload)
  return records
}

/** @throws Failure `bad-request` when the client takes the upload to have another kind of checksum */
function checkKind(request: CompleteRequest, upload: UploadDescription): void {
  const { checksumKind } = upload
  if (checksumKind === undefined || request.checksumKind === undefined) return
  if (checksumKind === request.checksumKind) return
  const word = checksumKind === 'whole' ? 'FULL_OBJECT' : 'COMPOSITE'
  throw new Failure(
    'bad-request',
    `the upload was created using the ${word} checksum mode. The complete request must use the same checksum mode`,
  )
}

/** @throws Failure `digest-mismatch` | `bad-request` */
function checkPartChecksum(
  part: CompleteRequest['parts'][number],
  upload: UploadDescription,
): void {
  const { checksumAlgorithm, checksumKind } = upload
  if (checksumAlgorithm === undefined) return
  const other = part.checksums.find(({ algorithm }) => algorithm !== checksumAlgorithm)
  if (other !== undefined) {
    throw new Failure(
      'digest-mismatch',
      `the ${checksumWord(other.algorithm)} you specified for part ${part.partNumber} did not match what we received`,
    )
  }
  if (checksumKind !== 'composite' || part.checksums.length > 0) return
  throw new Failure(
    'bad-request',
    `the upload was created using a ${checksumWord(checksumAlgorithm)} checksum. The complete request must include the checksum for each part. It was missing for part ${part.partNumber} in the request`,
  )
}

function checkAscending(request: CompleteRequest): void {
  let previous = 0
  for (const { partNumber } of request.parts) {
    if (partNumber <= previous) {
      throw new Failure(
        'part-order-invalid',
        'the list of parts is not in ascending order of part numbers',
      )
    }
    previous = partNumber
  }
}

/** Composite checksums are of parts 1, 2, 3 ... (S3 API). */
function checkConsecutive(request: CompleteRequest, upload: UploadDescription): void {
  if (upload.checksumAlgorithm === undefined) return
  const gap = request.parts.find((part, index) => part.partNumber !== index + 1)
  if (gap === undefined) return
  throw new Failure(
    'part-invalid',
    'an upload with checksums needs consecutive part numbers that begin with 1',
  )
}

function checksumsAgree(stated: readonly Checksum[], record: ObjectRecord): boolean {
  return stated.every((checksum) => {
    const own = record.attributes.checksums.find(
      ({ algorithm }) => algorithm === checksum.algorithm,
    )
    return own === undefined || own.hex === checksum.hex
  })
}

/** Bytes of all parts together. */
export function totalBytes(parts: readonly ObjectRecord[]): number {
  return parts.reduce((sum, part) => sum + part.attributes.sizeBytes, 0)
}

/** Copies the parts into the work file, one after the other. @returns the xxh64 of all bytes */
async function assemble(
  context: ObjectContext,
  work: WorkFile,
  parts: readonly ObjectRecord[],
): Promise<string | undefined> {
  const digester = createDigester(['xxh64'], { expectedBytes: totalBytes(parts) })
  const buffer = Buffer.allocUnsafeSlow(COPY_SLICE_BYTES)
  const gate = diskGateOf(work.fd)
  let position = 0
  try {
    for (const part of parts) {
      await readPart(context, { part, buffer }, async (bytes) => {
        await digester.update(bytes)
        // The descriptor must outlive the write, however long the disk takes.
        const at = position
        await gate.run(() => writeFully(work.fd, [bytes], at), { patient: true })
        position += bytes.length
      })
    }
    return (await digester.digest()).get('xxh64')
  } catch (error) {
    digester.abandon()
    throw error
  }
}

/** The file of a part. @throws Failure `object-corrupt` */
export function openPart(context: ObjectContext, part: ObjectRecord): FileLease {
  const lease = context.store.open(part)
  if (lease !== undefined) return lease
  throw new Failure('object-corrupt', `${part.key}: the file of a part is missing or damaged`)
}

async function readPart(
  context: ObjectContext,
  { part, buffer }: { readonly part: ObjectRecord; readonly buffer: Buffer },
  write: (bytes: Buffer) => Promise<void>,
): Promise<void> {
  const lease = openPart(context, part)
  try {
    const gate = diskGateOf(lease.fd)
    for (let offset = 0; offset < part.attributes.sizeBytes; ) {
      const at = offset
      const wanted = buffer.subarray(0, Math.min(buffer.length, part.attributes.sizeBytes - at))
      const bytesRead = await gate.run(() => readAt(lease.fd, wanted, lease.offset + at))
      if (bytesRead === 0)
        throw new Failure('object-corrupt', `${part.key}: the file of a part is too short`)
      await write(wanted.subarray(0, bytesRead))
      offset += bytesRead
    }
  } finally {
    lease.release()
  }
}

function completedAttributes(
  context: ObjectContext,
  request: CompleteRequest,
  made: { readonly upload: UploadDescription; readonly parts: readonly ObjectRecord[] },
): ObjectAttributes {
  const { upload, parts } = made
  const { headers, metadata, storageClass, checksumAlgorithm } = upload
  const md5 = compositeDigest(
    'md5',
    parts.map((part) => part.attributes.etag),
  )
  const checksum = wholeChecksum(request, made)
  return Object.freeze({
    sizeBytes: totalBytes(parts),
    etag: `${md5}-${parts.length}`,
    lastModifiedMs: context.clock.now(),
    headers,
    metadata,
    checksums: checksum === undefined ? [] : [checksum],
    parts: parts.map(
      (part, index): StoredPart => ({
        partNumber: request.parts[index]?.partNumber ?? index + 1,
        sizeBytes: part.attributes.sizeBytes,
        checksum: part.attributes.checksums.find(
          ({ algorithm }) => algorithm === checksumAlgorithm,
        ),
      }),
    ),
    partCount: parts.length,
    storageClass,
    tags: upload.tags?.length === 0 ? undefined : upload.tags,
  })
}

/** The object's checksum out of the parts'. @throws Failure `digest-mismatch` when the client states another. */
export function wholeChecksum(
  request: CompleteRequest,
  made: { readonly upload: UploadDescription; readonly parts: readonly ObjectRecord[] },
): Checksum | undefined {
  const { checksumAlgorithm: algorithm, checksumKind } = made.upload
  if (algorithm === undefined) return ownChecksum(made.parts)
  const parts = made.parts.map((part) => ({
    hex: part.attributes.checksums.find((checksum) => checksum.algorithm === algorithm)?.hex ?? '',
    sizeBytes: part.attributes.sizeBytes,
  }))
  const checksum = combine(algorithm, checksumKind ?? 'composite', parts)
  if (request.checksum !== undefined && request.checksum.hex !== checksum?.hex) {
    throw new Failure(
      'digest-mismatch',
      `the ${checksumWord(algorithm).toUpperCase()} you specified did not match the calculated checksum`,
    )
  }
  return checksum
}

/** As S3 does where no algorithm was chosen; what the client states then is not looked at. */
function ownChecksum(parts: readonly ObjectRecord[]): Checksum | undefined {
  const crcs: CrcPart[] = []
  for (const { attributes } of parts) {
    const hex = attributes.metadata[PART_CRC64NVME]
    if (hex === undefined) return undefined
    crcs.push({ hex, sizeBytes: attributes.sizeBytes })
  }
  return { algorithm: 'crc64nvme', kind: 'whole', hex: combineCrcs('crc64nvme', crcs) }
}

function combine(
  algorithm: ChecksumAlgorithm,
  kind: 'whole' | 'composite',
  parts: readonly { readonly hex: string; readonly sizeBytes: number }[],
): Checksum | undefined {
  if (kind === 'whole' && isCrc(algorithm)) {
    return { algorithm, kind: 'whole', hex: combineCrcs(algorithm, parts) }
  }
  if (kind === 'whole' || algorithm === 'crc64nvme') return undefined
  const hex = compositeDigest(
    algorithm,
    parts.map((part) => part.hex),
  )
  return { algorithm, kind: 'composite', hex, partCount: parts.length }
}

function isCrc(algorithm: ChecksumAlgorithm): algorithm is CrcAlgorithm {
  return algorithm === 'crc32' || algorithm === 'crc32c' || algorithm === 'crc64nvme'
}

async function publish(
  context: ObjectContext,
  request: CompleteRequest,
  made: {
    readonly upload: UploadDescription
    readonly work: WorkFile
    readonly attributes: ObjectAttributes
    readonly contentXxh64: string | undefined
  },
): Promise<void> {
  const { bucket, key, uploadId } = request
  const { upload, work, attributes, contentXxh64 } = made
  const sync = context.propertiesOf(bucket).syncWrites
  const { etag } = attributes
  const atMs = context.clock.now()
  await context.locks.hold(keyIdOf(bucket, key), async () => {
    checkConditions(context, request)
    await storeDescription(context, sync, { ...upload, completing: { etag, done: false, atMs } })
    await failpoint('complete:announced')
    const record = { attributes, contentXxh64, pin: { kind: 'none' } as const, validatedMs: atMs }
    await context.store.commit({ bucket, key, work }, record, { sync, settle: false })
  })
  await failpoint('complete:committed')
  await storeDescription(context, false, { ...upload, completing: { etag, done: true, atMs } })
  await removeParts(context, uploadId)
}
