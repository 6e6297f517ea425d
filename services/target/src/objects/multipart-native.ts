import crypto from 'node:crypto'
import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX, PARTS_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import { type ChecksumAlgorithm, checksumWord } from '@forebay/model/checksum'
import type {
  CreateUploadRequest,
  ListPartsAnswer,
  PartAnswer,
  UploadAddress,
  WritePartRequest,
} from '@forebay/peer/target-port'
import { type ReceivedBody, receiveToFile, UNKNOWN_LENGTH_STEP_BYTES } from '../bodies/receive.ts'
import type { WorkFile } from '../store/contract.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import {
  describe,
  descriptionKey,
  findUpload,
  noSuchUpload,
  partKey,
  partNumberOf,
  partPrefix,
  type UploadDescription,
} from './multipart-record.ts'
import { SYSTEM_BUCKET, SYSTEM_BUCKET_ID } from './system-bucket.ts'
import { checkKept } from './tags.ts'

/** Begins an upload; its id names this node, where its parts are. */
export async function createNativeUpload(
  context: ObjectContext,
  request: CreateUploadRequest,
): Promise<{ readonly uploadId: string }> {
  checkKept(context, request.bucket, request)
  const uploadId = `${context.nodeId}.${newUploadTail(context.clock.now())}`
  await storeDescription(context, syncsParts(context, request.bucket), {
    uploadId,
    bucketId: request.bucket.id,
    key: request.key,
    initiatedMs: context.clock.now(),
    headers: request.headers,
    metadata: request.metadata,
    tags: request.tags,
    storageClass: request.storageClass,
    checksumAlgorithm: request.checksumAlgorithm,
    checksumKind: request.checksumKind,
  })
  return { uploadId }
}

/** Parts that wait for a backend are nowhere else: they are as durable as a native bucket's. */
function syncsParts(context: ObjectContext, bucket: BucketRecord): boolean {
  return bucket.backend !== undefined || context.propertiesOf(bucket).syncWrites
}

let lastTailMicros = 0

/** 32 hexadecimal digits: microseconds, so that uploads of a key are listed as they began, and chance. */
function newUploadTail(nowMs: number): string {
  lastTailMicros = Math.max(lastTailMicros + 1, nowMs * 1000)
  return lastTailMicros.toString(16).padStart(14, '0') + crypto.randomBytes(9).toString('hex')
}

/** Writes the description durably; the caller holds the upload or has just made it. */
export async function storeDescription(
  context: ObjectContext,
  sync: boolean,
  description: UploadDescription,
): Promise<void> {
  const key = descriptionKey(description)
  const work = await context.store.createWork(SYSTEM_BUCKET, key, 0)
  await commitSystemObject(context, { key, work, sync }, { attributes: describe(description) })
}

async function commitSystemObject(
  context: ObjectContext,
  place: { readonly key: string; readonly work: WorkFile; readonly sync: boolean },
  record: {
    readonly attributes: ReturnType<typeof describe>
    readonly contentXxh64?: string | undefined
  },
): Promise<void> {
  const { key, work, sync } = place
  try {
    await context.locks.hold(keyIdOf(SYSTEM_BUCKET, key), () =>
      context.store.commit(
        { bucket: SYSTEM_BUCKET, key, work },
        {
          attributes: record.attributes,
          contentXxh64: record.contentXxh64,
          pin: { kind: 'none' },
          validatedMs: record.attributes.lastModifiedMs,
        },
        { sync, settle: false },
      ),
    )
  } finally {
    work.discard()
  }
}

/** Name of the lock that keeps parts, Complete and Abort of one upload apart. */
export function uploadLock(uploadId: string): string {
  return `upload/${uploadId}`
}

/** Stores a part; a part of the same number is replaced, the last one to finish wins. */
export async function writeNativePart(
  context: ObjectContext,
  request: WritePartRequest,
): Promise<PartAnswer> {
  const { bucket, uploadId, partNumber } = request
  const address = { bucketId: bucket.id, key: request.key, uploadId }
  const upload = openUpload(context, address)
  for (const { algorithm } of request.stated) checkPartAlgorithm(upload, algorithm)
  const key = partKey(uploadId, partNumber)
  const work = await context.store.createWork(
    SYSTEM_BUCKET,
    key,
    request.body.lengthBytes ?? UNKNOWN_LENGTH_STEP_BYTES,
  )
  try {
    const received = await receivePart(request, work, upload.checksumAlgorithm)
    checkPartAlgorithm(upload, received.verdict.checksums[0]?.algorithm)
    const attributes = partAttributes(context, received, upload.checksumAlgorithm)
    await context.locks.hold(uploadLock(uploadId), async () => {
      openUpload(context, address)
      const sync = syncsParts(context, bucket)
      await commitSystemObject(
        context,
        { key, work, sync },
        { attributes, contentXxh64: received.digests.get('xxh64') },
      )
    })
    const { etag, checksums, lastModifiedMs } = attributes
    return { etag, checksums, lastModifiedMs }
  } finally {
    work.discard()
  }
}

/** The upload while it takes parts. @throws Failure `upload-not-found` also when it is complete. */
function openUpload(
  context: ObjectContext,
  address: { readonly bucketId: number; readonly key: string; readonly uploadId: string },
): UploadDescription {
  const upload = findUpload(context.store, address)
  if (upload.completing?.done === true) throw noSuchUpload()
  return upload
}

/** The parts of an upload have checksums of its algorithm; a composite is made of nothing else. */
function checkPartAlgorithm(
  upload: UploadDescription,
  stated: ChecksumAlgorithm | undefined,
): void {
  const { checksumAlgorithm: wanted, checksumKind } = upload
  if (wanted === undefined || wanted === stated) return
  if (stated === undefined && checksumKind !== 'composite') return
  const actual = stated === undefined ? 'null' : checksumWord(stated).toUpperCase()
  throw new Failure(
    'bad-request',
    `Checksum Type mismatch occurred, expected checksum Type: ${checksumWord(wanted).toUpperCase()}, actual checksum Type: ${actual}`,
    { facts: { verbatim: true } },
  )
}

function receivePart(
  request: WritePartRequest,
  work: WorkFile,
  algorithm: ChecksumAlgorithm | undefined,
): Promise<ReceivedBody> {
  const digests = new Set<ChecksumAlgorithm>([...request.body.digestsNeeded, 'xxh64', 'md5'])
  digests.add(algorithm ?? 'crc64nvme')
  return receiveToFile({
    body: request.body,
    fd: work.fd,
    reserve: (bytes) => work.reserve(bytes),
    digests,
    readSoon: true,
    signal: request.signal,
    unknownLengthStep: UNKNOWN_LENGTH_STEP_BYTES,
  })
}

function partAttributes(
  context: ObjectContext,
  received: ReceivedBody,
  algorithm: ChecksumAlgorithm | undefined,
) {
  const stated = received.verdict.checksums
  const computed = algorithm === undefined ? undefined : received.digests.get(algorithm)
  const known = stated.some((checksum) => checksum.algorithm === algorithm)
  const own =
    algorithm === undefined || computed === undefined || known
      ? []
      : [{ algorithm, kind: 'whole' as const, hex: computed }]
  return {
    sizeBytes: received.sizeBytes,
    etag: received.digests.get('md5') ?? '',
    lastModifiedMs: context.clock.now(),
    headers: {},
    metadata: algorithm === undefined ? ownCrc(received) : {},
    checksums: [...stated, ...own],
  }
}

/** Where a part keeps the CRC for the object's; not among its checksums, which clients see. */
export const PART_CRC64NVME = 'crc64nvme'

function ownCrc({ digests }: ReceivedBody): Readonly<Record<string, string>> {
  const hex = digests.get('crc64nvme')
  return hex === undefined ? {} : { [PART_CRC64NVME]: hex }
}

/** Gives the upload and its parts up. */
export async function abortNativeUpload(
  context: ObjectContext,
  request: UploadAddress,
): Promise<void> {
  const { bucket, key, uploadId } = request
  await context.locks.hold(uploadLock(uploadId), async () => {
    openUpload(context, { bucketId: bucket.id, key, uploadId })
    await removeUpload(context, { bucketId: bucket.id, key, uploadId }, syncsParts(context, bucket))
  })
}

/** Removes the description first: what is left of the parts after a crash is swept. */
export async function removeUpload(
  context: ObjectContext,
  upload: { readonly bucketId: number; readonly key: string; readonly uploadId: string },
  sync: boolean,
): Promise<void> {
  await removeSystemObject(context, descriptionKey(upload), sync)
  await removeParts(context, upload.uploadId)
}

export async function removeParts(context: ObjectContext, uploadId: string): Promise<void> {
  for (;;) {
    const page = scanParts(context, uploadId, { after: '', pageMax: LIST_PAGE_MAX })
    await Promise.all(page.objects.map(({ key }) => removeSystemObject(context, key, false)))
    if (page.next === undefined) return
  }
}

export async function removeSystemObject(
  context: ObjectContext,
  key: string,
  sync: boolean,
): Promise<void> {
  await context.locks.hold(keyIdOf(SYSTEM_BUCKET, key), () =>
    context.store.remove(SYSTEM_BUCKET_ID, key, { sync, settle: false, why: 'delete' }),
  )
}

export function scanParts(
  context: ObjectContext,
  uploadId: string,
  page: { readonly after: string; readonly pageMax: number },
) {
  const prefix = partPrefix(uploadId)
  return context.store.scan({ bucketId: SYSTEM_BUCKET_ID, prefix, delimiter: undefined, ...page })
}

/** One page of an upload's parts, by number. */
export function listNativeParts(
  context: ObjectContext,
  request: UploadAddress & { readonly afterPart: number; readonly pageMax: number },
): ListPartsAnswer {
  const { bucket, key, uploadId, afterPart } = request
  const upload = openUpload(context, { bucketId: bucket.id, key, uploadId })
  const pageMax = Math.min(request.pageMax, LIST_PAGE_MAX)
  const after = partKey(uploadId, Math.min(afterPart, PARTS_MAX))
  const page =
    pageMax === 0
      ? { objects: [], next: undefined }
      : scanParts(context, uploadId, { after, pageMax })
  const parts = page.objects.flatMap((object) => {
    const record = context.store.get(SYSTEM_BUCKET_ID, object.key)
    if (record === undefined) return []
    const { sizeBytes, etag, lastModifiedMs, checksums } = record.attributes
    return [{ partNumber: partNumberOf(object.key), sizeBytes, etag, lastModifiedMs, checksums }]
  })
  const { checksumAlgorithm, checksumKind, storageClass } = upload
  const nextPartNumber = page.next === undefined ? undefined : parts.at(-1)?.partNumber
  return { parts, nextPartNumber, checksumAlgorithm, checksumKind, storageClass }
}

/** @throws Failure `argument-invalid` */
export function checkPartNumber(partNumber: number): void {
  if (Number.isInteger(partNumber) && partNumber >= 1 && partNumber <= PARTS_MAX) return
  throw new Failure('argument-invalid', `part number must be an integer between 1 and ${PARTS_MAX}`)
}
