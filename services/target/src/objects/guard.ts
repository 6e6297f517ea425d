import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Conditions } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import { LAST_MODIFIED_AGE_MIN_MS } from '@forebay/model/version'
import type { Guard, ObjectAddress } from '@forebay/peer/target-port'
import type { ObjectContext } from './context.ts'

/** A mutation that may have a guard. */
export interface Guarded extends ObjectAddress {
  readonly guard?: Guard | undefined
  /** The backend refuses by itself what goes over an object where none is to be: it is not asked before. */
  readonly storeKeepsPlaces?: boolean | undefined
  readonly signal: AbortSignal
}

/**
 * Holds a mutation to its guard; the caller holds the key's lock until the mutation is committed. Of a
 * bucket with a backend, the backend is asked: what others write past this node counts as well.
 *
 * @throws Failure `object-not-found` where a version is wanted and there is none, `precondition-failed`
 *   for another version or one that may be too young, and what `guard.check` throws
 */
export async function checkGuard(context: ObjectContext, request: Guarded): Promise<void> {
  const { bucket, key, guard } = request
  if (guard === undefined) return
  const isDecidedThere = guard.version === 'absent' && request.storeKeepsPlaces === true
  if (!isDecidedThere && (guard.version !== undefined || guard.beforeMs !== undefined)) {
    const native = bucket.backend === undefined
    const current = native
      ? context.store.get(bucket.id, key)?.attributes
      : await headAtBackend(context, request)
    checkVersion(guard, current, { key, toMs: native ? 1 : 1000 })
    if (guard.beforeMs !== undefined && current !== undefined) {
      const older = native
        ? current.lastModifiedMs < guard.beforeMs
        : wasBefore(context, request, { current, beforeMs: guard.beforeMs })
      if (!older) throw new Failure('precondition-failed', `${key}: the object may be newer`)
    }
  }
  guard.check?.()
}

/**
 * The conditions under which a backend is to commit a guarded mutation: it decides itself where it can,
 * so that nobody comes in between the question and the answer.
 */
export function guardedConditions(
  context: ObjectContext,
  request: Guarded & { readonly conditions: Conditions },
  mutation: 'write' | 'delete',
): Conditions {
  const { conditions, guard } = request
  const { capabilities } = context.backendOf(request.bucket)
  const able = mutation === 'write' ? capabilities.conditionalWrite : capabilities.conditionalDelete
  if (!able || guard?.version === undefined) return conditions
  if (guard.version === 'absent') return { ...conditions, ifNoneMatch: ['*'] }
  return guard.version.etag === '' ? conditions : { ...conditions, ifMatch: [guard.version.etag] }
}

async function headAtBackend(
  context: ObjectContext,
  { bucket, key, signal }: Guarded,
): Promise<ObjectAttributes | undefined> {
  const head = await context.backendOf(bucket).head({ key, signal })
  return head.kind === 'found' ? head.attributes : undefined
}

function checkVersion(
  { version }: Guard,
  current: ObjectAttributes | undefined,
  { key, toMs }: { readonly key: string; readonly toMs: number },
): void {
  if (version === undefined) return
  if (version === 'absent') {
    if (current === undefined) return
    throw new Failure('precondition-failed', `${key}: there is an object meanwhile`)
  }
  if (current === undefined) throw new Failure('object-not-found', `${key}: it is gone meanwhile`)
  const same =
    current.etag === version.etag &&
    moment(current.lastModifiedMs, toMs) === moment(version.lastModifiedMs, toMs)
  if (!same) throw new Failure('precondition-failed', `${key}: it is another version meanwhile`)
}

/** A time in whole steps of `toMs`. */
function moment(ms: number, toMs: number): number {
  return Math.floor(ms / toMs)
}

/**
 * Whether a version at a backend was surely there before an instant of this node's clock. Backends tell
 * whole seconds of their own clock, so a version of the last seconds before it may be younger, unless
 * this node has known the very version from before, and has let nobody write the key since.
 */
function wasBefore(
  context: ObjectContext,
  { bucket, key }: { readonly bucket: BucketRecord; readonly key: string },
  asked: { readonly current: ObjectAttributes; readonly beforeMs: number },
): boolean {
  const { current, beforeMs } = asked
  const endOfSecondMs = Math.floor(current.lastModifiedMs / 1000) * 1000 + 1000
  const dateMs = current.validators?.dateMs
  // The backend's clock shows its date or up to a second more: this is the least it showed at `beforeMs`.
  const thereMs = dateMs === undefined ? undefined : beforeMs - (context.clock.now() - dateMs)
  if (endOfSecondMs <= (thereMs ?? beforeMs + 1000 - LAST_MODIFIED_AGE_MIN_MS)) return true
  const record = context.store.get(bucket.id, key)
  if (record === undefined || context.unsettled.isUnsettled(bucket.id, key)) return false
  const { attributes, validatedMs } = record
  return (
    attributes.etag === current.etag &&
    attributes.sizeBytes === current.sizeBytes &&
    // The same bytes of a later second are somebody's later write.
    moment(current.lastModifiedMs, 1000) <= moment(attributes.lastModifiedMs, 1000) &&
    validatedMs !== 0 &&
    validatedMs < beforeMs
  )
}
