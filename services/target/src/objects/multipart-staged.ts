import { isUndecided } from '@forebay/backend-port/undecided'
import { isFailure } from '@forebay/base/failure'
import { createDigester } from '@forebay/base/hash/digester'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { IncomingBody } from '@forebay/peer/bodies'
import type { CompleteRequest, WriteAnswer } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { checkWritable, type ObjectContext } from './context.ts'
import { chooseParts, openPart, totalBytes, wholeChecksum } from './multipart-complete.ts'
import { removeParts, storeDescription, uploadLock } from './multipart-native.ts'
import { findUpload, noSuchUpload, type UploadDescription } from './multipart-record.ts'
import { pumpFile } from './source-body.ts'
import { writeObject } from './write.ts'

/**
 * Completes an upload of a bucket whose backend has no multipart uploads of S3's kind (rule 16). Its
 * parts waited here, as those of a native bucket do; now they are written through as one body.
 *
 * Repeatable: a Complete whose answer was lost is answered again; after a crash between the backend's
 * commit and ours, the object at the backend is taken for ours when its bytes are. A client that leaves
 * does not end it: its next attempt finds the result.
 */
export async function completeStagedUpload(
  context: ObjectContext,
  request: CompleteRequest,
): Promise<WriteAnswer> {
  const { bucket, key, uploadId } = request
  checkWritable(context, bucket)
  return context.locks.hold(uploadLock(uploadId), async () => {
    const upload = findUpload(context.store, { bucketId: bucket.id, key, uploadId })
    if (upload.completing?.done === true) return answerAgain(context, request, upload)
    const parts = chooseParts(context, request, upload)
    const checksum = wholeChecksum(request, { upload, parts })
    const answer =
      (upload.completing === undefined
        ? undefined
        : await findCommitted(context, request, parts)) ??
      (await writeParts(context, request, { upload, parts, checksum }))
    await noteCompleting(context, upload, { etag: answer.attributes.etag, done: true })
    await removeParts(context, uploadId)
    return answer
  })
}

/** Written with a sync: after a power loss nothing else tells that the backend may have the object. */
function noteCompleting(
  context: ObjectContext,
  upload: UploadDescription,
  completing: { readonly etag: string; readonly done: boolean },
): Promise<void> {
  const atMs = context.clock.now()
  return storeDescription(context, true, { ...upload, completing: { ...completing, atMs } })
}

async function writeParts(
  context: ObjectContext,
  request: CompleteRequest,
  made: {
    readonly upload: UploadDescription
    readonly parts: readonly ObjectRecord[]
    readonly checksum: Checksum | undefined
  },
): Promise<WriteAnswer> {
  const { upload, parts, checksum } = made
  const { bucket, key, conditions } = request
  const { headers, metadata, storageClass, tags } = upload
  await noteCompleting(context, upload, { etag: '', done: false })
  const writing = writeObject(context, {
    bucket,
    key,
    headers,
    metadata,
    tags,
    storageClass,
    conditions,
    stated: [],
    md5: true,
    body: bodyOf(context, parts, checksum),
    signal: new AbortController().signal,
  })
  return writing.catch(async (error: unknown) => {
    // What was certainly refused is not at the backend, whatever is there.
    if (!isUndecided(error)) await storeDescription(context, true, upload)
    throw error
  })
}

/** The parts as one body, in the order of the completion. */
function bodyOf(
  context: ObjectContext,
  parts: readonly ObjectRecord[],
  checksum: Checksum | undefined,
): IncomingBody {
  return {
    lengthBytes: totalBytes(parts),
    digestsNeeded: [],
    pump: async (write, signal) => {
      for (const part of parts) await pumpPart(context, part, { write, signal })
    },
    // Each part was checked when it came, and the whole is made of their checksums.
    judge: () => ({ checksums: checksum === undefined ? [] : [checksum] }),
  }
}

async function pumpPart(
  context: ObjectContext,
  part: ObjectRecord,
  to: {
    readonly write: (chunk: Buffer) => void | Promise<void>
    readonly signal: AbortSignal
  },
): Promise<void> {
  const { sizeBytes } = part.attributes
  const lease = openPart(context, part)
  try {
    const source = { fd: lease.fd, offset: lease.offset, lengthBytes: sizeBytes }
    const waitFor = (at: number): number => lease.offset + sizeBytes - at
    await pumpFile({ ...source, waitFor }, to.write, to.signal)
  } finally {
    lease.release()
  }
}

/** The answer of a Complete that went through before; an object written since ends the upload. */
async function answerAgain(
  context: ObjectContext,
  request: CompleteRequest,
  upload: UploadDescription,
): Promise<WriteAnswer> {
  const current = await headNow(context, request)
  if (current === undefined || current.etag !== upload.completing?.etag) throw noSuchUpload()
  return { attributes: current, versionId: current.validators?.versionId }
}

/** Digests that stores state for whole objects. */
const COMPARED: readonly ChecksumAlgorithm[] = ['md5', 'crc32c', 'crc64nvme']

/**
 * The object at the backend, when a Complete that was cut off had put it there: the same bytes, by a
 * digest that the backend states. Otherwise the upload is sent again.
 */
async function findCommitted(
  context: ObjectContext,
  request: CompleteRequest,
  parts: readonly ObjectRecord[],
): Promise<WriteAnswer | undefined> {
  const current = await headNow(context, request)
  if (current === undefined || current.sizeBytes !== totalBytes(parts)) return undefined
  const comparable = current.checksums.filter(
    ({ algorithm, kind }) => kind === 'whole' && COMPARED.includes(algorithm),
  )
  if (comparable.length === 0) return undefined
  const own = await digestParts(context, parts)
  const same = comparable.every(({ algorithm, hex }) => own.get(algorithm) === hex)
  return same ? { attributes: current, versionId: current.validators?.versionId } : undefined
}

async function digestParts(
  context: ObjectContext,
  parts: readonly ObjectRecord[],
): Promise<ReadonlyMap<ChecksumAlgorithm, string>> {
  const digester = createDigester(COMPARED, { expectedBytes: totalBytes(parts) })
  try {
    const write = (chunk: Buffer): void | Promise<void> => digester.update(chunk)
    const { signal } = new AbortController()
    for (const part of parts) await pumpPart(context, part, { write, signal })
    return await digester.digest()
  } catch (error) {
    digester.abandon()
    throw error
  }
}

/** What the backend has under the key now. */
async function headNow(context: ObjectContext, request: CompleteRequest) {
  const { bucket, key, signal } = request
  try {
    const head = await context.backendOf(bucket).head({ key, signal })
    return head.kind === 'found' ? head.attributes : undefined
  } catch (error) {
    if (isFailure(error, 'object-not-found')) return undefined
    throw error
  }
}
