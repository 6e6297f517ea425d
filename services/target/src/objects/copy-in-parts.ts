/**
 * Copies of objects that a store takes in parts alone: inside the store by the store itself, else through
 * this node. The destination changes at the completion, whole or not at all.
 */
import { isUndecided } from '@forebay/backend-port/undecided'
import { Failure } from '@forebay/base/failure'
import { PART_BYTES_MIN, PARTS_MAX, PUT_BYTES_MAX } from '@forebay/base/limits'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Conditions } from '@forebay/model/conditions'
import type { ObjectAttributes, Tags } from '@forebay/model/object'
import type { CompleteRequest, CopyRequest, WriteAnswer } from '@forebay/peer/target-port'
import { mutationsOf, type ObjectContext } from './context.ts'
import { guardedConditions } from './guard.ts'
import {
  abortBackendUpload,
  commitUpload,
  copyBackendPart,
  createBackendUpload,
  partsAtBackend,
  writeBackendPart,
} from './multipart-backend.ts'

/** One part where the object is not too large for it, bytes: lost work stays small, requests few. */
export const COPY_PART_BYTES = 256 * 1024 ** 2

/** Parts of one copy under way at once inside a store. */
const COPY_PARTS_AT_ONCE = 4

/** The same through this node, which keeps each on a disk while it passes. */
const PASSING_PARTS_AT_ONCE = 2

/** Reads parts of the source; the version is the one whose attributes were found. */
export interface PartsSource {
  readonly attributes: ObjectAttributes
  readonly tags: Tags | undefined
  /** True: the store of the destination has the source too. */
  readonly isInside: boolean
  /** The bytes of a range as a body to write; asked for only where the copy goes through this node. */
  open(
    range: { readonly first: number; readonly last: number },
    conditions: Conditions,
  ): Promise<{
    readonly body: Parameters<typeof writeBackendPart>[1]['body']
    close(): void
  }>
}

/** Objects of a bucket that are larger are copied into it in parts, bytes. */
export function copyPartsAbove(context: ObjectContext, bucket: BucketRecord): number {
  if (bucket.backend === undefined) return Number.POSITIVE_INFINITY
  const { multipart, putBytesMax } = context.backendOf(bucket).capabilities
  if (multipart !== 'native') return Number.POSITIVE_INFINITY
  return Math.min(context.copyPartsAboveBytes, putBytesMax)
}

/**
 * Copies an object in parts.
 *
 * @throws Failure `precondition-failed` when the source changes meanwhile or the guard does not hold; an
 *   upload that is not completed is removed
 */
export async function copyInParts(
  context: ObjectContext,
  request: CopyRequest & { readonly metadata: ObjectAttributes['metadata'] },
  source: PartsSource,
): Promise<WriteAnswer> {
  const { bucket, key, replace, metadata, guard, checksumAlgorithm, signal } = request
  guard?.check?.()
  const { uploadId } = await createBackendUpload(context, {
    ...{ bucket, key, metadata, tags: source.tags, checksumAlgorithm, signal },
    // Where a website sends its visitors belongs to the name, not to the bytes (S3 API).
    headers: replace?.headers ?? { ...source.attributes.headers, websiteRedirect: undefined },
  })
  const sent = { completion: false }
  try {
    const parts = await copyParts(context, request, { source, uploadId })
    return await complete(context, request, { source, uploadId, parts, sent })
  } catch (error) {
    // Where the store may have completed it, there may be nothing to remove, and no way to tell.
    if (!sent.completion || !isUndecided(error)) await abortQuietly(context, request, uploadId)
    throw error
  }
}

interface Copying {
  readonly source: PartsSource
  readonly uploadId: string
}

/** Several at once, in the order of their numbers. */
async function copyParts(
  context: ObjectContext,
  request: CopyRequest,
  copying: Copying,
): Promise<CompleteRequest['parts']> {
  const { sizeBytes } = copying.source.attributes
  const partBytes = partBytesOf(sizeBytes, copyPartsAbove(context, request.bucket))
  const parts: CompleteRequest['parts'][number][] = []
  const failed = new AbortController()
  const signal = AbortSignal.any([request.signal, failed.signal])
  let next = 0
  const worker = async (): Promise<void> => {
    while (next * partBytes < sizeBytes) {
      const at = next
      next += 1
      signal.throwIfAborted()
      request.guard?.check?.()
      const range = { first: at * partBytes, last: Math.min((at + 1) * partBytes, sizeBytes) - 1 }
      parts[at] = await copyPart(context, { ...request, signal }, { ...copying, at, range })
    }
  }
  const atOnce = copying.source.isInside ? COPY_PARTS_AT_ONCE : PASSING_PARTS_AT_ONCE
  const workers = Array.from({ length: atOnce }, () =>
    worker().catch((error: unknown) => {
      failed.abort(error)
      throw error
    }),
  )
  // All of them have ended before the upload is removed.
  const ended = await Promise.allSettled(workers)
  if (ended.some(({ status }) => status === 'rejected')) throw signal.reason
  return parts
}

async function copyPart(
  context: ObjectContext,
  request: CopyRequest,
  part: Copying & {
    readonly at: number
    readonly range: { readonly first: number; readonly last: number }
  },
): Promise<CompleteRequest['parts'][number]> {
  const { bucket, key, source: from, signal } = request
  const { source, uploadId, range } = part
  const partNumber = part.at + 1
  const conditions = pinned(request.sourceConditions, source.attributes)
  if (source.isInside) {
    const answer = await copyBackendPart(context, {
      ...{ bucket, key, uploadId, partNumber, signal },
      ...{ source: from, sourceConditions: conditions, sourceRange: range },
    })
    return { ...answer, partNumber }
  }
  const { body, close } = await source.open(range, conditions)
  try {
    const answer = await writeBackendPart(context, {
      ...{ bucket, key, uploadId, partNumber, body, stated: [], signal },
    })
    return { ...answer, partNumber }
  } finally {
    close()
  }
}

/** All parts are of one version: the one that the request names, or that was found. */
function pinned(conditions: Conditions, { etag, lastModifiedMs }: ObjectAttributes): Conditions {
  if (conditions.ifMatch !== undefined) return conditions
  if (etag !== '') return { ...conditions, ifMatch: [etag] }
  return { ...conditions, ifUnmodifiedSinceMs: lastModifiedMs }
}

/** @throws Failure `entity-too-large` for what no upload can hold */
export function partBytesOf(sizeBytes: number, aboveBytes: number): number {
  const wantedBytes = Math.max(PART_BYTES_MIN, Math.min(COPY_PART_BYTES, aboveBytes))
  const neededBytes = Math.ceil(sizeBytes / PARTS_MAX)
  if (neededBytes > PUT_BYTES_MAX) {
    throw new Failure('entity-too-large', `an object of ${sizeBytes} bytes cannot be copied`)
  }
  return Math.max(wantedBytes, neededBytes)
}

async function complete(
  context: ObjectContext,
  request: CopyRequest,
  made: Copying & {
    readonly parts: CompleteRequest['parts']
    readonly sent: { completion: boolean }
  },
): Promise<WriteAnswer> {
  const { bucket, key } = request
  const { uploadId, source } = made
  const mutations = mutationsOf(context, bucket)
  return commitUpload(context, request, {
    sizeBytes: source.attributes.sizeBytes,
    complete: () => {
      made.sent.completion = true
      return mutations.completeUpload({
        key,
        uploadId,
        conditions: guardedConditions(context, request, 'write'),
        parts: partsAtBackend(made.parts),
        signal: new AbortController().signal,
      })
    },
  })
}

/** What is left at the store where this fails too, a cleanup removes. */
async function abortQuietly(
  context: ObjectContext,
  { bucket, key }: CopyRequest,
  uploadId: string,
): Promise<void> {
  // The copy's own signal may be why it ends.
  const { signal } = new AbortController()
  try {
    await abortBackendUpload(context, { bucket, key, uploadId, signal })
  } catch (error) {
    context.observer.warn('an upload of a copy is left at its store', { key, error })
  }
}
