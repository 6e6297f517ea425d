import { isFailure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import type { CacheStatus, HeadAnswer, ReadRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { abortable } from './abortable.ts'
import { type Asked, askBackend } from './ask-backend.ts'
import { BlockMap } from './block-map.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { freshForMs, mayServeStale } from './freshness.ts'
import { isUnreachable } from './is-unreachable.ts'
import { judge } from './read-answer.ts'
import { findVersion, withoutVersion } from './read-version.ts'

/** Attempts when writes come in between. */
const HEAD_ATTEMPTS = 5

/** Answers a HEAD: from the entry where that may be believed, else from the backend; fetches no byte. */
export async function headObject(
  context: ObjectContext,
  request: ReadRequest,
): Promise<HeadAnswer> {
  const { bucket, key, versionId } = request
  if (versionId !== undefined) return headNamed(context, request)
  const record = context.store.get(bucket.id, key)
  if (bucket.backend === undefined) {
    return record === undefined
      ? { kind: 'absent' }
      : answer(context, request, fromRecord(record, 'hit'))
  }
  const unsettled = context.unsettled.isUnsettled(bucket.id, key)
  const properties = context.propertiesOf(bucket)
  const current = !unsettled && request.latest !== true && properties.cache !== 'bypass'
  if (
    record !== undefined &&
    current &&
    freshForMs(record, properties, context.momentOf(bucket)) > 0
  ) {
    const status = record.blocks === undefined ? 'hit' : 'partial'
    return answer(context, request, fromRecord(record, status))
  }
  if (await context.fills.publication(keyIdOf(bucket, key), request.signal)) {
    return headObject(context, request)
  }
  try {
    return await askForHead(context, request)
  } catch (error) {
    if (isFailure(error, 'out-of-space', 'disk-error')) return headPast(context, request)
    if (!isUnreachable(error) || !current || record === undefined) throw error
    if (!mayServeStale(record, properties, context.momentOf(bucket))) throw error
    return answer(context, request, fromRecord(record, 'stale'))
  }
}

/** A version that the client names. */
async function headNamed(context: ObjectContext, request: ReadRequest): Promise<HeadAnswer> {
  const found = await findVersion(context, request)
  switch (found.kind) {
    case 'current':
      return headObject(context, withoutVersion(request))
    case 'cached':
      return answer(context, request, fromRecord(found.record, 'hit'))
    case 'past': {
      const { attributes, askedMs: validatedMs } = found
      return answer(context, request, { attributes, status: 'bypass', validatedMs, cachedBytes: 0 })
    }
    default:
      return found satisfies never
  }
}

async function askForHead(context: ObjectContext, request: ReadRequest): Promise<HeadAnswer> {
  for (let attempt = 1; ; attempt++) {
    const asked = await askOnce(context, request)
    switch (asked.kind) {
      case 'absent':
        return { kind: 'absent' }
      case 'confirmed':
        return answer(context, request, fromRecord(asked.record, 'revalidated'))
      case 'found': {
        const filling = context.fills.get(keyIdOf(request.bucket, request.key))
        return answer(context, request, {
          attributes: asked.attributes,
          status: 'miss',
          validatedMs: asked.askedMs,
          cachedBytes: filling?.cachedBytes ?? 0,
        })
      }
      case 'again':
        if (attempt < HEAD_ATTEMPTS) continue
        return headPast(context, request)
      default:
        return asked satisfies never
    }
  }
}

/**
 * Past the cache: where the object is overwritten again and again, or the disk fails, what the backend
 * says now is an answer all the same.
 */
async function headPast(context: ObjectContext, request: ReadRequest): Promise<HeadAnswer> {
  const { bucket, key, signal } = request
  const validatedMs = context.clock.now()
  const head = await context.backendOf(bucket).head({ key, signal })
  if (head.kind === 'absent') return { kind: 'absent' }
  const { attributes } = head
  return answer(context, request, { attributes, status: 'miss', validatedMs, cachedBytes: 0 })
}

async function askOnce(context: ObjectContext, request: ReadRequest): Promise<Asked> {
  const { signal } = request
  const token = context.generations.begin(keyIdOf(request.bucket, request.key))
  try {
    return await abortable(askBackend(context, request, { signal, token }), signal)
  } finally {
    token.end()
  }
}

interface Version {
  readonly attributes: ObjectAttributes
  readonly status: CacheStatus
  readonly validatedMs: number
  readonly cachedBytes: number
}

function fromRecord(record: ObjectRecord, status: CacheStatus): Version {
  const { attributes, validatedMs, blocks } = record
  const cachedBytes =
    blocks === undefined
      ? attributes.sizeBytes
      : new BlockMap(attributes.sizeBytes, blocks.blockBytes, blocks).presentBytes
  return { attributes, status, validatedMs, cachedBytes }
}

function answer(context: ObjectContext, request: ReadRequest, version: Version): HeadAnswer {
  const { attributes, cachedBytes } = version
  const judged = judge(context, request, version)
  if (judged.kind === 'answer') return judged.answer
  const { wanted, cache } = judged
  const range = wanted.kind === 'range' ? wanted.range : undefined
  const partCount = wanted.kind === 'range' ? wanted.partCount : undefined
  return { kind: 'found', attributes, range, partCount, cachedBytes, cache }
}
