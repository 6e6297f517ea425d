/** Reads of a version that the client names: only backends have more than one of an object. */
import { Failure } from '@forebay/base/failure'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { ReadRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import type { ObjectContext } from './context.ts'
import { checkNativeVersion } from './tags.ts'

/** What a named version comes to. */
export type NamedVersion =
  /** The current one: read as if it had not been named. */
  | { readonly kind: 'current' }
  /** Held in the cache under this very id, so it is what was asked for however old it is. */
  | { readonly kind: 'cached'; readonly record: ObjectRecord }
  /** At the backend alone; not kept, because a key has one entry. */
  | {
      readonly kind: 'past'
      readonly attributes: ObjectAttributes
      readonly pin: Pin
      readonly askedMs: number
    }

/**
 * Finds the version that a read names.
 *
 * `null` is the version of an object that was written without versions: the current one, unless the
 * bucket has versions by now; then the backend is asked for it.
 *
 * @throws Failure `argument-invalid` | `version-not-found` | `method-not-allowed` (a delete marker) |
 *   `backend-*`
 */
export async function findVersion(
  context: ObjectContext,
  request: ReadRequest,
): Promise<NamedVersion> {
  const { bucket, key, versionId, signal } = request
  if (bucket.backend === undefined || versionId === undefined) {
    checkNativeVersion(versionId)
    return { kind: 'current' }
  }
  const record = context.store.get(bucket.id, key)
  const pin = context.unsettled.isUnsettled(bucket.id, key) ? undefined : record?.pin
  if (versionId === 'null') {
    const plain = pin === undefined ? await isPlain(context, request) : pin.kind !== 'version-id'
    if (plain) return { kind: 'current' }
  } else if (record !== undefined && pin?.kind === 'version-id' && pin.versionId === versionId) {
    return { kind: 'cached', record }
  }
  const askedMs = context.clock.now()
  const head = await context.backendOf(bucket).head({ key, versionId, signal })
  if (head.kind === 'found') {
    const { attributes } = head
    // What a store answers to `null` names no version: its tag tells whether it is the same one.
    const pin = { kind: 'version-id', versionId, etag: attributes.validators?.etag } as const
    return { kind: 'past', attributes, pin, askedMs }
  }
  throw new Failure('version-not-found', `${key} has no version ${versionId}`, {
    facts: { key },
  })
}

/** True when the backend has the object and no versions of it: `null` is all there is to read. */
async function isPlain(context: ObjectContext, request: ReadRequest): Promise<boolean> {
  const { bucket, key, signal } = request
  const head = await context.backendOf(bucket).head({ key, signal })
  return head.kind === 'found' && head.attributes.validators?.versionId === undefined
}

/** The same of the current version. */
export function withoutVersion(request: ReadRequest): ReadRequest {
  const { bucket, key, range, partNumber, conditions, latest, signal } = request
  return { bucket, key, range, partNumber, conditions, latest, signal }
}
