import type { WriteResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { Conditions } from '@forebay/model/conditions'
import type { ObjectAttributes, Tags } from '@forebay/model/object'
import type { CopyRequest, ObjectAddress, WriteAnswer } from '@forebay/peer/target-port'
import { commitAtBackend, writtenValidators } from './commit-at-backend.ts'
import { checkWritable, keyIdOf, mutationsOf, type ObjectContext } from './context.ts'
import { copyInParts, copyPartsAbove } from './copy-in-parts.ts'
import { guardedConditions } from './guard.ts'
import { headObject } from './head.ts'
import { readObject } from './read.ts'
import type { ReadAnswer } from './read-answer.ts'
import { incomingFrom } from './source-body.ts'
import { checkKept, getTags } from './tags.ts'
import { writeObject } from './write.ts'

/** Copies an object: inside one backend by the backend itself, else through this node. */
export async function copyObject(
  context: ObjectContext,
  request: CopyRequest,
): Promise<WriteAnswer> {
  checkWritable(context, request.bucket)
  if (!copiesInside(context, request.source.bucket, request.bucket))
    return copyThrough(context, request)
  const isLarge = (request.sourceSizeBytes ?? 0) > copyPartsAbove(context, request.bucket)
  return isLarge ? copyPartsAtBackend(context, request) : copyAtBackend(context, request)
}

/** True when both buckets are of one backend that copies by itself. */
export function copiesInside(
  context: ObjectContext,
  source: BucketRecord,
  destination: BucketRecord,
): boolean {
  const { backend: from } = source
  const { backend: to } = destination
  if (from === undefined || to === undefined) return false
  const same =
    from.provider === to.provider &&
    from.endpoint === to.endpoint &&
    from.region === to.region &&
    from.profile === to.profile
  return same && context.backendOf(destination).capabilities.serverSideCopy
}

async function copyAtBackend(context: ObjectContext, request: CopyRequest): Promise<WriteAnswer> {
  const { bucket, key, source, replace } = request
  checkKept(context, bucket, { tags: request.replaceTags, headers: replace?.headers })
  const mutations = mutationsOf(context, bucket)
  const ticket = context.overlaps.begin(keyIdOf(bucket, key))
  try {
    const result = await commitAtBackend(context, request, {
      mutate: () =>
        mutations.copy({
          key,
          sourceBucket: source.bucket.backend?.bucket ?? '',
          sourceKey: source.key,
          sourceConditions: request.sourceConditions,
          conditions: guardedConditions(context, request, 'write'),
          replaceMetadata: replace !== undefined,
          replaceTags: request.replaceTags !== undefined,
          tags: request.replaceTags,
          headers: replace?.headers ?? {},
          metadata: replace?.metadata ?? {},
          checksums: [],
          checksumAlgorithm: request.checksumAlgorithm,
          signal: new AbortController().signal,
        }),
      // The bytes are at the backend alone: the next read fetches them.
      install: async (_, settle) => {
        await context.store.remove(bucket.id, key, { sync: false, settle, why: 'stale' })
      },
    })
    // Of a source that is not held to a version another one may have been copied.
    const isPinned = request.sourceConditions.ifMatch !== undefined
    return answerOf(context, { ...result, sizeBytes: isPinned ? request.sourceSizeBytes : 0 })
  } finally {
    ticket.end()
  }
}

function answerOf(
  context: ObjectContext,
  result: WriteResult & {
    readonly lastModifiedMs: number | undefined
    readonly sizeBytes: number | undefined
  },
): WriteAnswer {
  return {
    attributes: {
      sizeBytes: result.sizeBytes ?? 0,
      etag: result.etag ?? '',
      lastModifiedMs: result.lastModifiedMs ?? result.dateMs ?? context.clock.now(),
      headers: {},
      metadata: {},
      checksums: result.checksums,
      validators: writtenValidators(result),
    },
    versionId: result.versionId,
  }
}

/** A copy in parts has no source of its headers and metadata: the store is asked for them before. */
async function copyPartsAtBackend(
  context: ObjectContext,
  request: CopyRequest,
): Promise<WriteAnswer> {
  const { source, signal } = request
  const head = await context.backendOf(source.bucket).head({ key: source.key, signal })
  if (head.kind !== 'found') {
    throw new Failure('object-not-found', `${source.key}: the source of the copy does not exist`)
  }
  return copyLarge(context, request, head.attributes)
}

async function copyLarge(
  context: ObjectContext,
  request: CopyRequest,
  attributes: ObjectAttributes,
): Promise<WriteAnswer> {
  const { bucket, source, replace, noteSource, signal } = request
  checkKept(context, bucket, { tags: request.replaceTags, headers: replace?.headers })
  const tags = request.replaceTags ?? (await tagsOfSource(context, request, attributes))
  // The tag of what is made of parts is the source's never.
  const isNoted = noteSource === true && attributes.etag !== ''
  const noted = isNoted
    ? { ...attributes.metadata, [SOURCE_ETAG_METADATA]: attributes.etag }
    : attributes.metadata
  const metadata = replace?.metadata ?? noted
  return copyInParts(
    context,
    { ...request, metadata },
    {
      attributes,
      tags,
      isInside: copiesInside(context, source.bucket, bucket),
      open: async (sourceRange, sourceConditions) => {
        const opened = await openSource(context, { source, sourceConditions, sourceRange, signal })
        return { body: incomingFrom(opened.body, []), close: () => opened.body.close() }
      },
    },
  )
}

async function copyThrough(context: ObjectContext, request: CopyRequest): Promise<WriteAnswer> {
  const source = await openSource(context, request)
  const { attributes, body } = source
  if (attributes.sizeBytes > copyPartsAbove(context, request.bucket)) {
    body.close()
    return copyLarge(context, request, attributes)
  }
  const digests = digestsOfCopy(request, attributes.checksums)
  try {
    const tags = request.replaceTags ?? (await tagsOfSource(context, request, attributes))
    return await writeObject(context, {
      bucket: request.bucket,
      key: request.key,
      // Where a website sends its visitors belongs to the name, not to the bytes (S3 API).
      headers: request.replace?.headers ?? { ...attributes.headers, websiteRedirect: undefined },
      metadata: request.replace?.metadata ?? metadataOfCopy(request, attributes, digests),
      tags,
      conditions: request.conditions,
      guard: request.guard,
      stated: [],
      md5: true,
      body: incomingFrom(body, digests),
      signal: request.signal,
    })
  } finally {
    body.close()
  }
}

/** What the metadata of a copy calls the ETag of its source, where nothing else tells it. */
export const SOURCE_ETAG_METADATA = 'forebay-source-etag'

/** An ETag that is the MD5 of the bytes: the same wherever they lie. */
const MD5_ETAG = /^[0-9a-f]{32}$/

function metadataOfCopy(
  { bucket, noteSource }: CopyRequest,
  { etag, metadata }: ObjectAttributes,
  digests: readonly ChecksumAlgorithm[],
): ObjectAttributes['metadata'] {
  // Azure gives tags of its own to whatever it stores.
  const tagTells = MD5_ETAG.test(etag) && bucket.backend?.provider !== 'azure'
  const checksumTells = bucket.backend === undefined && digests.length > 0
  if (noteSource !== true || etag === '' || tagTells || checksumTells) return metadata
  return { ...metadata, [SOURCE_ETAG_METADATA]: etag }
}

/** The tags that go with a copy; a version without any is not asked about them. */
async function tagsOfSource(
  context: ObjectContext,
  request: CopyRequest,
  attributes: ObjectAttributes,
): Promise<Tags | undefined> {
  const { source, signal } = request
  const { tags, tagCount, validators } = attributes
  if (source.bucket.backend === undefined || tagCount === undefined) return tags
  const versionId = validators?.versionId
  return (await getTags(context, { ...source, versionId, signal })).tags
}

/** The algorithm asked for, else those of the source that cover all of its bytes. */
function digestsOfCopy(
  request: CopyRequest,
  checksums: readonly { readonly algorithm: ChecksumAlgorithm; readonly kind: string }[],
): readonly ChecksumAlgorithm[] {
  if (request.checksumAlgorithm !== undefined) return [request.checksumAlgorithm]
  return checksums
    .filter(({ algorithm, kind }) => kind === 'whole' && algorithm !== 'md5')
    .map(({ algorithm }) => algorithm)
}

/** What a copy reads: source address, conditions, and bytes of it. */
export interface SourceRequest {
  readonly source: ObjectAddress
  readonly sourceConditions: Conditions
  readonly sourceRange?: { readonly first: number; readonly last: number } | undefined
  readonly signal: AbortSignal
}

/**
 * Opens the source of a copy.
 *
 * @throws Failure `object-not-found`, `precondition-failed` (also where a read would say 304),
 * `range-not-satisfiable` when a range leaves the object.
 */
export async function openSource(
  context: ObjectContext,
  request: SourceRequest,
): Promise<Extract<ReadAnswer, { kind: 'found' }>> {
  const { source, sourceRange, signal } = request
  const range = sourceRange === undefined ? undefined : { kind: 'from-to' as const, ...sourceRange }
  if (sourceRange !== undefined) await checkInside(context, request)
  const answer = await readObject(context, {
    bucket: source.bucket,
    key: source.key,
    conditions: request.sourceConditions,
    range,
    signal,
  })
  switch (answer.kind) {
    case 'found':
      return answer
    case 'absent':
      throw new Failure('object-not-found', `${source.key}: the source of the copy does not exist`)
    case 'unsatisfiable':
      throw outside(source.key, answer.sizeBytes)
    case 'not-modified':
    case 'precondition-failed':
      throw new Failure(
        'precondition-failed',
        `${source.key}: the source is not in the state the request requires`,
      )
    default:
      return answer satisfies never
  }
}

/** S3 refuses a source range that ends behind the object; an ordinary Range would be cut short. */
async function checkInside(context: ObjectContext, request: SourceRequest): Promise<void> {
  const { source, sourceRange, sourceConditions: conditions, signal } = request
  // Of another version than the one that is wanted the size says nothing.
  const head = await headObject(context, { ...source, conditions, signal })
  if (head.kind !== 'found' || sourceRange === undefined) return
  if (sourceRange.last >= head.attributes.sizeBytes)
    throw outside(source.key, head.attributes.sizeBytes)
}

function outside(key: string, sizeBytes: number): Failure {
  return new Failure(
    'argument-invalid',
    `Range specified is not valid for source object of size: ${sizeBytes}`,
    { facts: { verbatim: true, key } },
  )
}
