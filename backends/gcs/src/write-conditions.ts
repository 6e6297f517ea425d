import { Failure } from '@forebay/base/failure'
import { type Conditions, judgeRead, judgeWrite } from '@forebay/model/conditions'
import { matchesPin, type Pin } from '@forebay/model/version'
import { askDocument } from './buckets.ts'
import { describe, type Place, resourcePath } from './connection.ts'
import { OBJECT_FIELDS, type ObjectResource, parseObject } from './object-resource.ts'
import { etagOf, versionOfResource } from './object-version.ts'

/** Conditions as the store takes them, decided with the request that commits. */
export interface GenerationConditions {
  /** `0`: only where there is no object. */
  readonly ifGenerationMatch?: string
  readonly ifGenerationNotMatch?: string
}

/**
 * The conditions of a write or a delete in the store's terms, which knows generations only.
 *
 * `*` needs nothing more. A tag is compared with the version that is there now, and the store is told
 * to act on that version alone, so that nothing can come in between.
 *
 * @throws Failure `precondition-failed` | `object-not-found` (a version is named, nothing is there)
 */
export async function generationConditions(
  place: Place,
  asked: { readonly key: string; readonly conditions: Conditions; readonly signal: AbortSignal },
): Promise<GenerationConditions> {
  const { ifMatch, ifNoneMatch } = asked.conditions
  if (ifMatch === undefined && ifNoneMatch === undefined) return {}
  if (ifMatch === undefined && ifNoneMatch?.includes('*')) return { ifGenerationMatch: '0' }
  // The store refuses it where nothing is.
  if (ifMatch?.includes('*') && ifNoneMatch === undefined) return { ifGenerationNotMatch: '0' }
  const current = await currentObject(place, asked.key, asked.signal)
  const what = describe('write of', place.bucket, asked.key)
  const tagged = current && { etag: etagOf(versionOfResource(current)) }
  switch (judgeWrite(asked.conditions, tagged)) {
    case 'proceed':
      return { ifGenerationMatch: current?.generation ?? '0' }
    case 'precondition-failed':
      throw new Failure('precondition-failed', `${what}: the object is another version`)
    case 'absent':
      throw new Failure('object-not-found', `${what}: there is no object in any version`)
  }
}

/**
 * The version that a copy takes, its conditions fulfilled; `undefined` where none were stated.
 *
 * @throws Failure `precondition-failed` | `object-not-found`
 */
export async function sourceGeneration(
  place: Place,
  asked: {
    readonly key: string
    readonly pin: Pin | undefined
    readonly conditions: Conditions
    readonly signal: AbortSignal
  },
): Promise<string | undefined> {
  const { key, pin, conditions, signal } = asked
  const isPinned = pin !== undefined && pin.kind !== 'none'
  const isStated = Object.values(conditions).some((condition) => condition !== undefined)
  if (!isStated && pin?.kind === 'generation') return pin.generation
  if (!isPinned && !isStated) return undefined
  const current = await currentObject(place, key, signal)
  const what = describe('copy of', place.bucket, key)
  if (current === undefined) throw new Failure('object-not-found', `${what}: there is no object`)
  const { generation, updatedMs: lastModifiedMs } = current
  const etag = etagOf(versionOfResource(current))
  const isOther = isPinned && !matchesPin(pin, { generation, etag, lastModifiedMs })
  if (isOther || judgeRead(conditions, { etag, lastModifiedMs }) !== 'proceed') {
    throw new Failure('precondition-failed', `${what}: the object is another version`)
  }
  return generation
}

async function currentObject(
  place: Place,
  key: string,
  signal: AbortSignal,
): Promise<ObjectResource | undefined> {
  const what = describe('lookup of', place.bucket, key)
  try {
    const document = await askDocument(place.connection, {
      method: 'GET',
      path: resourcePath(place.bucket, key),
      query: { fields: OBJECT_FIELDS },
      signal,
      what,
    })
    return parseObject(document, what)
  } catch (error) {
    if (error instanceof Failure && error.code === 'object-not-found') return undefined
    throw error
  }
}
