/**
 * The life of a PUT at the owner of the key: the body goes into a work file and, where there is a
 * backend, follows from there; the last bytes leave only when every check has passed; then the
 * version is committed, at the backend first.
 */

import type { WriteResult } from '@forebay/backend-port/backend'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import { judgeWrite } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import type { WriteAnswer, WriteRequest } from '@forebay/peer/target-port'
import { type ReceivedBody, receiveToFile, UNKNOWN_LENGTH_STEP_BYTES } from '../bodies/receive.ts'
import type { WorkFile } from '../store/contract.ts'
import { commitAtBackend, pinWritten, writtenValidators } from './commit-at-backend.ts'
import { checkWritable, keyIdOf, mutationsOf, type ObjectContext, raiseKey } from './context.ts'
import type { GatedUpload } from './gated-upload.ts'
import { checkGuard, guardedConditions } from './guard.ts'
import type { OverlapTicket } from './overlap.ts'
import { StreamedUpload } from './streamed-upload.ts'
import { checkKept } from './tags.ts'

/** Stores an object. All or nothing: on any failure the old version stands, here and at the backend. */
export async function writeObject(
  context: ObjectContext,
  request: WriteRequest,
): Promise<WriteAnswer> {
  checkWritable(context, request.bucket)
  const { bucket, key, body } = request
  checkKept(context, bucket, request)
  const lengthBytes = body.lengthBytes ?? UNKNOWN_LENGTH_STEP_BYTES
  const work =
    bucket.backend === undefined
      ? await context.store.createWork(bucket, key, lengthBytes)
      : await context.store.createPassing(bucket, key, lengthBytes)
  try {
    const answer =
      bucket.backend === undefined
        ? await writeNative(context, request, work)
        : await writeThrough(context, request, work)
    context.observer.written(formatBucket(bucket.ref), answer.attributes.sizeBytes)
    return answer
  } finally {
    work.discard()
  }
}

async function writeNative(
  context: ObjectContext,
  request: WriteRequest,
  work: WorkFile,
): Promise<WriteAnswer> {
  const { bucket, key } = request
  const received = await receive(request, work, {})
  await failpoint('write:received')
  return context.locks.hold(keyIdOf(bucket, key), async () => {
    checkConditions(context, request)
    await checkGuard(context, request)
    const attributes = nativeAttributes(context, request, received)
    const record = {
      attributes,
      contentXxh64: received.digests.get('xxh64'),
      pin: { kind: 'none' } as const,
      validatedMs: attributes.lastModifiedMs,
    }
    const sync = context.propertiesOf(bucket).syncWrites
    await context.store.commit({ bucket, key, work }, record, { sync, settle: false })
    return { attributes }
  })
}

/** @throws Failure `precondition-failed` | `object-not-found` */
export function checkConditions(
  context: ObjectContext,
  request: Pick<WriteRequest, 'bucket' | 'key' | 'conditions'>,
): void {
  const current = context.store.get(request.bucket.id, request.key)
  const verdict = judgeWrite(request.conditions, current?.attributes)
  if (verdict === 'proceed') return
  if (verdict === 'absent')
    throw new Failure('object-not-found', `${request.key}: there is no object to match`)
  throw new Failure(
    'precondition-failed',
    `${request.key}: the object is not in the state the request requires`,
  )
}

function nativeAttributes(
  context: ObjectContext,
  request: WriteRequest,
  received: ReceivedBody,
): ObjectAttributes {
  const { headers, metadata, storageClass, tags } = request
  const stated = received.verdict.checksums
  // A tag with a dash is not taken for an MD5 by any client.
  const etag = received.digests.get('md5') ?? `${received.digests.get('xxh64')}-1`
  return Object.freeze({
    sizeBytes: received.sizeBytes,
    etag,
    lastModifiedMs: context.clock.now(),
    headers,
    metadata,
    checksums: stated.length > 0 ? stated : ownChecksums(received.digests),
    storageClass,
    tags: tags?.length === 0 ? undefined : tags,
  })
}

/**
 * The checksum that S3 gives to what comes without one. Only the door of S3, which wants an MD5, asks
 * for it: AIStore's has its xxh64.
 */
const DEFAULT_ALGORITHM = 'crc64nvme'

/** Digests that a check of the body alone may want: they say nothing about a checksum being stated. */
const CHECKS_ONLY: readonly ChecksumAlgorithm[] = ['md5', 'sha256']

/** What is computed beside what a body of a native bucket needs, so that it has a checksum at the end. */
function ownDigests(body: WriteRequest['body']): readonly ChecksumAlgorithm[] {
  const states = body.digestsNeeded.some((algorithm) => !CHECKS_ONLY.includes(algorithm))
  return states ? [] : [DEFAULT_ALGORITHM]
}

function ownChecksums(digests: ReceivedBody['digests']): readonly Checksum[] {
  const hex = digests.get(DEFAULT_ALGORITHM)
  return hex === undefined ? [] : [{ algorithm: DEFAULT_ALGORITHM, kind: 'whole', hex }]
}

async function writeThrough(
  context: ObjectContext,
  request: WriteRequest,
  work: WorkFile,
): Promise<WriteAnswer> {
  const ticket = context.overlaps.begin(keyIdOf(request.bucket, request.key))
  const upload = new StreamedUpload(work, request.body.lengthBytes, (gate, md5Hex) =>
    uploadObject(context, request, { gate, md5Hex }),
  )
  try {
    const received = await upload.receive((onProgress, stop) =>
      receive(request, work, { onProgress, stop }),
    )
    await failpoint('write:received')
    const answer: { value?: WriteAnswer } = {}
    let askedMs = 0
    const storeKeepsPlaces = context.backendOf(request.bucket).capabilities.conditionalWrite
    await commitAtBackend(
      context,
      { ...request, storeKeepsPlaces },
      {
        mutate: () => {
          // Somebody else's write may follow at once: later than this nobody knows that ours is current.
          askedMs = context.clock.now()
          return upload.commit(received)
        },
        install: async (result, settle) => {
          const attributes = writtenAttributes(context, request, { received, result })
          await installWritten(context, request, {
            work,
            attributes,
            received,
            result,
            ticket,
            settle,
            askedMs,
          })
          answer.value = { attributes, versionId: result.versionId }
        },
      },
    )
    if (answer.value === undefined) throw new Failure('internal', 'a write ended without an answer')
    return answer.value
  } finally {
    ticket.end()
    await upload.abandon()
  }
}

/** What a client sees of a version written through: the backend's word where it gave one. */
function writtenAttributes(
  context: ObjectContext,
  request: WriteRequest,
  written: { readonly received: ReceivedBody; readonly result: WriteResult },
): ObjectAttributes {
  const { received, result } = written
  const stated = received.verdict.checksums
  const more = result.checksums.filter(
    ({ algorithm }) => !stated.some((one) => one.algorithm === algorithm),
  )
  const now = result.dateMs ?? context.clock.now()
  return Object.freeze({
    sizeBytes: received.sizeBytes,
    etag: result.etag ?? received.digests.get('md5') ?? '',
    lastModifiedMs: Math.floor(now / 1000) * 1000,
    headers: request.headers,
    metadata: request.metadata,
    checksums: [...stated, ...more],
    storageClass: request.storageClass,
    tagCount: request.tags?.length || undefined,
    originHeaders: result.originHeaders,
    validators: writtenValidators(result),
  })
}

async function installWritten(
  context: ObjectContext,
  request: WriteRequest,
  written: {
    readonly work: WorkFile
    readonly attributes: ObjectAttributes
    readonly received: ReceivedBody
    readonly result: WriteResult
    readonly ticket: OverlapTicket
    readonly settle: boolean
    /** Wall clock before the commit at the backend, ms. */
    readonly askedMs: number
  },
): Promise<void> {
  const { bucket, key } = request
  const { work, attributes, received, settle } = written
  const pin = await pinWritten(context, request, written)
  const cached =
    pin !== undefined &&
    context.propertiesOf(bucket).cache === 'read-write' &&
    work.isWithinQuota &&
    context.store.keepsSize(bucket, attributes.sizeBytes)
  try {
    if (!cached) {
      await context.store.remove(bucket.id, key, { sync: false, settle, why: 'stale' })
      return
    }
    const record = {
      attributes,
      contentXxh64: received.digests.get('xxh64'),
      pin,
      validatedMs: written.askedMs,
    }
    await context.store.commit({ bucket, key, work }, record, {
      sync: context.propertiesOf(bucket).syncWrites,
      settle,
    })
  } catch (error) {
    // The backend has the object: the write stands. Without a local copy the next read fetches it.
    context.observer.warn('a written object was not kept', { bucket: bucket.ref.name, key, error })
    raiseKey(context, keyIdOf(bucket, key))
    await forget(context, request, settle)
  }
}

/** Removes the entry; when even that fails the key stays unsettled and every read asks the backend. */
async function forget(
  context: ObjectContext,
  request: WriteRequest,
  settle: boolean,
): Promise<void> {
  try {
    await context.store.remove(request.bucket.id, request.key, {
      sync: false,
      settle,
      why: 'stale',
    })
  } catch (error) {
    context.observer.warn('an entry could not be removed', { key: request.key, error })
  }
}

function uploadObject(
  context: ObjectContext,
  request: WriteRequest,
  upload: { readonly gate: GatedUpload; readonly md5Hex: string | undefined },
): Promise<WriteResult> {
  const { bucket, key, headers, metadata, stated, contentMd5Hex, storageClass } = request
  const options = {
    key,
    headers,
    metadata,
    conditions: guardedConditions(context, request, 'write'),
    checksums: stated,
    contentMd5Hex: contentMd5Hex ?? upload.md5Hex,
    storageClass,
    tags: request.tags,
    // A client that leaves now does not decide about the commit.
    signal: new AbortController().signal,
  }
  return mutationsOf(context, bucket).write(options, upload.gate)
}

function receive(
  request: WriteRequest,
  work: WorkFile,
  options: { readonly onProgress?: (receivedBytes: number) => void; readonly stop?: AbortSignal },
): Promise<ReceivedBody> {
  const digests = new Set<ChecksumAlgorithm>([...request.body.digestsNeeded, 'xxh64'])
  if (request.md5) {
    digests.add('md5')
    if (request.bucket.backend === undefined) {
      for (const algorithm of ownDigests(request.body)) digests.add(algorithm)
    }
  }
  const { stop, onProgress } = options
  return receiveToFile({
    body: request.body,
    fd: work.fd,
    reserve: (bytes) => work.reserve(bytes),
    digests,
    onProgress,
    signal: stop === undefined ? request.signal : AbortSignal.any([request.signal, stop]),
    unknownLengthStep: UNKNOWN_LENGTH_STEP_BYTES,
  })
}
