import type { WriteResult } from '@forebay/backend-port/backend'
import { isUndecided } from '@forebay/backend-port/undecided'
import { failpoint } from '@forebay/base/failpoint'
import type { ObjectAttributes } from '@forebay/model/object'
import { choosePin, matchesPin, type Pin, type Validators } from '@forebay/model/version'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { keyIdOf, type ObjectContext, raiseKey } from './context.ts'
import { checkGuard, type Guarded } from './guard.ts'
import type { OverlapTicket } from './overlap.ts'

/** A mutation at the backend and what follows it here; `settle` goes into the closing transaction. */
export interface BackendMutation<T> {
  /** Commits at the backend. */
  mutate(): Promise<T>
  /** Brings the local entry in line, under the key's lock. */
  install(result: T, settle: boolean): Promise<void>
}

/**
 * Runs a mutation under the key's lock (rules 1, 3, 15): hold it to its guard, mark, mutate, install.
 *
 * The key is unsettled from before the first byte that could commit. The mark goes with the
 * transaction that installs or removes the entry, or after a definite refusal; when nobody knows
 * whether the backend applied the mutation, it stays.
 */
export async function commitAtBackend<T>(
  context: ObjectContext,
  address: Guarded,
  mutation: BackendMutation<T>,
): Promise<T> {
  const { bucket, key } = address
  const keyId = keyIdOf(bucket, key)
  const release = await context.locks.acquire(keyId, address.signal)
  try {
    await checkGuard(context, address)
    // An older doubt is not cleared by what happens to this mutation.
    const doubted =
      context.unsettled.isUnsettled(bucket.id, key) &&
      !context.unsettled.mayBeSettled(bucket.id, key)
    const before = context.unsettled.isUnsettled(bucket.id, key)
    raiseKey(context, keyId)
    await context.unsettled.mark(bucket.id, key)
    let decided = false
    try {
      await failpoint('backend:marked')
      const result = await runMutation(context, address, { mutation, before })
      await failpoint('backend:committed')
      raiseKey(context, keyId)
      await mutation.install(result, !doubted)
      decided = true
      return result
    } catch (error) {
      decided = !isUndecided(error)
      throw error
    } finally {
      context.unsettled.rest(bucket.id, key, decided)
    }
  } finally {
    release()
  }
}

async function runMutation<T>(
  context: ObjectContext,
  address: ObjectAddress,
  run: { readonly mutation: BackendMutation<T>; readonly before: boolean },
): Promise<T> {
  try {
    return await run.mutation.mutate()
  } catch (error) {
    if (!run.before && !isUndecided(error)) await settleQuietly(context, address)
    throw error
  }
}

/** The client hears of the refusal, also where the mark stays because the disk fails. */
async function settleQuietly(context: ObjectContext, address: ObjectAddress): Promise<void> {
  const { bucket, key } = address
  try {
    await context.unsettled.settle(bucket.id, key)
  } catch (error) {
    context.observer.warn('a key stays unsettled', { key, error })
  }
}

/** The validators of a version that a backend just committed. */
export function writtenValidators(result: WriteResult): Validators {
  const { etag, versionId, generation } = result
  return { etag, versionId, generation }
}

/**
 * The pin under which a version just written may be cached; undefined when another write overlapped
 * and the backend kept that one (rule 15), or when nothing identifies the version.
 */
export async function pinWritten(
  context: ObjectContext,
  address: ObjectAddress & { readonly signal: AbortSignal },
  written: { readonly result: WriteResult; readonly ticket: OverlapTicket },
): Promise<Pin | undefined> {
  const { result, ticket } = written
  const pin = choosePin(writtenValidators(result))
  if (pin.kind === 'none') return undefined
  if (!ticket.overlapped()) return pin
  const current = await headQuietly(context, address)
  if (current === undefined) return undefined
  return matchesPin(pin, current.validators ?? {}) ? pin : undefined
}

/** The current version, or undefined when there is none or it cannot be asked: then nothing is cached. */
async function headQuietly(
  context: ObjectContext,
  address: ObjectAddress & { readonly signal: AbortSignal },
): Promise<ObjectAttributes | undefined> {
  const { bucket, key, signal } = address
  try {
    const head = await context.backendOf(bucket).head({ key, signal })
    return head.kind === 'found' ? head.attributes : undefined
  } catch (error) {
    context.observer.warn('an overlapped write could not be checked and is not cached', {
      key,
      error,
    })
    return undefined
  }
}
