import type { CopyOptions, HeadResult } from '@forebay/backend-port/backend'
import type { Headers } from '@forebay/backend-transport/conditional-headers'
import { Failure, isFailure } from '@forebay/base/failure'
import { judgeRead } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import { matchesPin } from '@forebay/model/version'
import { describe, objectPath, type Place } from './connection.ts'
import { type CopySource, openCopySource } from './copy-source.ts'
import { headObject, readObject } from './read-object.ts'
import { relayBody } from './relay-body.ts'
import { conditionHeaders, describingHeaders } from './request-headers.ts'
import { sendForHeaders, type Written, writtenOf } from './send-write.ts'
import {
  BLOCKS_MAX,
  blockIdMaker,
  blockTarget,
  commitBlocks,
  committingHeaders,
  neverCommitted,
} from './write-blocks.ts'
import { writeObject } from './write-object.ts'

/** Attempts while the source changes between the look at it and the copy. */
const ATTEMPTS_MAX = 3

/**
 * Copies inside the account; the destination is the old object or the new one, never a part.
 *
 * The source's version is looked up first, and exactly that one is copied: in one request, or as
 * blocks where it is larger or described anew. A service that cannot do the latter (Azurite) has the
 * bytes sent through this node.
 */
export async function copyObject(place: Place, options: CopyOptions): Promise<Written> {
  for (let attempt = 1; ; attempt++) {
    const attributes = await lookUpSource(place, options)
    try {
      return await copyVersion(place, options, attributes)
    } catch (error) {
      const changed =
        isFailure(error, 'precondition-failed') &&
        error.facts['backendCode'] === 'SourceConditionNotMet'
      if (!changed || attempt === ATTEMPTS_MAX) throw error
    }
  }
}

/** @throws Failure `object-not-found` | `precondition-failed` | `object-archived` */
async function lookUpSource(place: Place, options: CopyOptions): Promise<ObjectAttributes> {
  const { sourceBucket, sourceKey, sourcePin, sourceConditions, signal } = options
  const what = describe('source of a copy', sourceBucket, sourceKey)
  const from = { connection: place.connection, bucket: sourceBucket }
  const found: HeadResult = await headObject(from, { key: sourceKey, signal })
  if (found.kind === 'absent') throw new Failure('object-not-found', `${what} is absent`)
  const { attributes } = found
  const pinned = sourcePin !== undefined && sourcePin.kind !== 'none'
  const changed = pinned && !matchesPin(sourcePin, attributes.validators ?? {})
  if (changed || judgeRead(sourceConditions, attributes) !== 'proceed') {
    throw new Failure('precondition-failed', `${what} is another version`)
  }
  if (found.archived === true) throw new Failure('object-archived', `${what} is archived`)
  return attributes
}

/** Largest source of a copy in one request, bytes (Azure, "Copy Blob From URL"). */
const SINGLE_COPY_BYTES_MAX = 256 * 1024 ** 2

async function copyVersion(
  place: Place,
  options: CopyOptions,
  attributes: ObjectAttributes,
): Promise<Written> {
  const source = await openCopySource(place, options, attributes)
  if (!options.replaceMetadata && attributes.sizeBytes <= SINGLE_COPY_BYTES_MAX) {
    return copyAtOnce(place, options, source)
  }
  const { headers, metadata } = options.replaceMetadata ? options : attributes
  const described = { ...options, headers, metadata }
  try {
    return await copyInBlocks(place, described, { source, sizeBytes: attributes.sizeBytes })
  } catch (error) {
    if (!isFailure(error, 'not-implemented')) throw error
    return relay(place, described, attributes)
  }
}

async function copyAtOnce(
  place: Place,
  options: CopyOptions,
  source: CopySource,
): Promise<Written> {
  const { key, storageClass, conditions, signal } = options
  const headers = await sendForHeaders(place, {
    method: 'PUT',
    target: objectPath(place.bucket, key),
    headers: {
      'x-ms-requires-sync': 'true',
      ...source.headers,
      // No metadata here: then the source's are copied.
      ...describingHeaders({ headers: {}, metadata: {}, storageClass }),
      ...conditionHeaders(conditions),
    },
    what: describe('COPY', place.bucket, key),
    signal,
  })
  return writtenOf(headers)
}

/** Bytes of a block that the service copies by itself; it takes up to 4,000 MiB. */
const COPY_BLOCK_BYTES = 256 * 1024 ** 2

async function copyInBlocks(
  place: Place,
  options: CopyOptions,
  from: { readonly source: CopySource; readonly sizeBytes: number },
): Promise<Written> {
  const { key, signal } = options
  const { source, sizeBytes } = from
  const committing: Headers = committingHeaders(options)
  const blockBytes = Math.max(COPY_BLOCK_BYTES, Math.ceil(sizeBytes / BLOCKS_MAX))
  const newId = blockIdMaker()
  const blockIds: string[] = []
  for (let offset = 0; offset < sizeBytes; offset += blockBytes) {
    const last = Math.min(offset + blockBytes, sizeBytes) - 1
    const blockId = newId(blockIds.length)
    await sendForHeaders(place, {
      method: 'PUT',
      target: blockTarget(place, key, blockId),
      headers: { ...source.headers, 'x-ms-source-range': `bytes=${offset}-${last}` },
      what: describe('COPY of a block of', place.bucket, key),
      signal,
    }).catch((error: unknown) => {
      throw neverCommitted(error)
    })
    blockIds.push(blockId)
  }
  return commitBlocks(place, { key, headers: committing, blockIds, signal })
}

async function relay(
  place: Place,
  options: CopyOptions,
  { etag, sizeBytes }: ObjectAttributes,
): Promise<Written> {
  const { sourceBucket, sourceKey, signal } = options
  const from = { connection: place.connection, bucket: sourceBucket }
  const pin = { kind: 'etag', etag } as const
  const found = await readObject(from, { key: sourceKey, pin, pinnedSizeBytes: sizeBytes, signal })
  if (found.kind !== 'found') {
    const what = describe('source of a copy', sourceBucket, sourceKey)
    throw new Failure('precondition-failed', `${what} is another version`)
  }
  return writeObject(place, options, relayBody(found.body, sizeBytes))
}
