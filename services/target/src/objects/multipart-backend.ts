import type { WriteResult } from '@forebay/backend-port/backend'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type {
  CompleteRequest,
  CopyPartRequest,
  CreateUploadRequest,
  PartAnswer,
  UploadAddress,
  WriteAnswer,
  WritePartRequest,
} from '@forebay/peer/target-port'
import { receiveToFile, UNKNOWN_LENGTH_STEP_BYTES } from '../bodies/receive.ts'
import { commitAtBackend, writtenValidators } from './commit-at-backend.ts'
import { keyIdOf, mutationsOf, type ObjectContext } from './context.ts'
import type { Guarded } from './guard.ts'
import { StreamedUpload } from './streamed-upload.ts'
import { checkKept } from './tags.ts'

/** Multipart uploads of a bucket whose backend has them itself: parts pass through, nothing is kept. */
export async function createBackendUpload(
  context: ObjectContext,
  request: CreateUploadRequest,
): Promise<{ readonly uploadId: string }> {
  const { bucket, key, headers, metadata, storageClass, checksumAlgorithm, checksumKind, signal } =
    request
  checkKept(context, bucket, request)
  return mutationsOf(context, bucket).createUpload({
    key,
    headers,
    metadata,
    tags: request.tags,
    storageClass,
    checksumAlgorithm,
    checksumKind,
    conditions: {},
    checksums: [],
    signal,
  })
}

/** Passes a part on; its last bytes leave only when the client's checks have passed (rule 4). */
export async function writeBackendPart(
  context: ObjectContext,
  request: WritePartRequest,
): Promise<PartAnswer> {
  const { bucket, key, uploadId, partNumber, body, stated, contentMd5Hex } = request
  const mutations = mutationsOf(context, bucket)
  const work = await context.store.createPassing(
    bucket,
    key,
    body.lengthBytes ?? UNKNOWN_LENGTH_STEP_BYTES,
  )
  try {
    const upload = new StreamedUpload(work, body.lengthBytes, (gate, md5Hex) =>
      mutations.writePart(
        {
          key,
          uploadId,
          partNumber,
          checksums: stated,
          contentMd5Hex: contentMd5Hex ?? md5Hex,
          signal: new AbortController().signal,
        },
        gate,
      ),
    )
    const received = await upload.receive((onProgress, stop) =>
      receiveToFile({
        body,
        fd: work.fd,
        reserve: (bytes) => work.reserve(bytes),
        digests: new Set<ChecksumAlgorithm>([...body.digestsNeeded, 'md5']),
        onProgress,
        signal: AbortSignal.any([request.signal, stop]),
        unknownLengthStep: UNKNOWN_LENGTH_STEP_BYTES,
      }),
    )
    const result = await upload.commit(received)
    return partAnswer(context, result, received.verdict.checksums)
  } finally {
    work.discard()
  }
}

function partAnswer(
  context: ObjectContext,
  result: WriteResult,
  stated: PartAnswer['checksums'],
): PartAnswer {
  const more = result.checksums.filter(
    ({ algorithm }) => !stated.some((one) => one.algorithm === algorithm),
  )
  return {
    etag: result.etag ?? '',
    checksums: [...stated, ...more],
    lastModifiedMs: result.dateMs ?? context.clock.now(),
  }
}

/** A part out of another object of the same backend. */
export async function copyBackendPart(
  context: ObjectContext,
  request: CopyPartRequest,
): Promise<PartAnswer> {
  const { bucket, key, uploadId, partNumber, source, sourceConditions, sourceRange, signal } =
    request
  const result = await mutationsOf(context, bucket).copyPart({
    key,
    uploadId,
    partNumber,
    checksums: [],
    sourceBucket: source.bucket.backend?.bucket ?? '',
    sourceKey: source.key,
    sourceConditions,
    sourceRange,
    signal,
  })
  const lastModifiedMs = result.lastModifiedMs ?? result.dateMs ?? context.clock.now()
  return { etag: result.etag ?? '', checksums: result.checksums, lastModifiedMs }
}

/** Completes at the backend; what the object is now, the next read learns there. */
export async function completeBackendUpload(
  context: ObjectContext,
  request: CompleteRequest,
): Promise<WriteAnswer> {
  const { bucket, key, uploadId, conditions, checksum, sizeBytes } = request
  const mutations = mutationsOf(context, bucket)
  return commitUpload(context, request, {
    sizeBytes,
    complete: () =>
      mutations.completeUpload({
        key,
        uploadId,
        conditions,
        checksum,
        parts: partsAtBackend(request.parts),
        signal: new AbortController().signal,
      }),
  })
}

/** Parts as a backend is told of them. */
export function partsAtBackend(parts: CompleteRequest['parts']) {
  return parts.map(({ partNumber, etag, checksums }) => ({
    partNumber,
    etag,
    checksum: checksums[0],
  }))
}

/** Commits an upload by `complete`. The bytes are at the backend alone: the next read fetches them. */
export async function commitUpload(
  context: ObjectContext,
  request: Guarded,
  {
    sizeBytes = 0,
    complete,
  }: { readonly sizeBytes?: number | undefined; readonly complete: () => Promise<WriteResult> },
): Promise<WriteAnswer> {
  const { bucket, key } = request
  const ticket = context.overlaps.begin(keyIdOf(bucket, key))
  try {
    const result = await commitAtBackend(context, request, {
      mutate: complete,
      install: async (_, settle) => {
        await context.store.remove(bucket.id, key, { sync: false, settle, why: 'stale' })
      },
    })
    return {
      attributes: {
        sizeBytes,
        etag: result.etag ?? '',
        lastModifiedMs: result.dateMs ?? context.clock.now(),
        headers: {},
        metadata: {},
        checksums: result.checksums,
        validators: writtenValidators(result),
      },
      versionId: result.versionId,
    }
  } finally {
    ticket.end()
  }
}

export async function abortBackendUpload(
  context: ObjectContext,
  request: UploadAddress,
): Promise<void> {
  const { bucket, key, uploadId, signal } = request
  await mutationsOf(context, bucket).abortUpload({ key, uploadId, signal })
}
