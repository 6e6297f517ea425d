import { isFailure } from '@forebay/base/failure'
import type { ObjectBody } from '@forebay/peer/bodies'
import type { ReadRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import type { ObjectContext } from './context.ts'
import { dropCorrupt } from './drop-corrupt.ts'
import { passVersion } from './pass-through.ts'

/**
 * What an answer goes on with whose file cannot be read any further: the rest of the same version from
 * the backend. The copy is given up, so that the next read fetches it anew.
 *
 * @param rest of the object, the first byte that is missing and the one behind the last
 * @returns undefined when the backend has no such version, or does not say
 */
export async function restFromBackend(
  context: ObjectContext,
  request: ReadRequest,
  { record, error, ...rest }: BrokenRead,
): Promise<ObjectBody | undefined> {
  if (!isFailure(error, 'disk-error', 'object-corrupt')) return undefined
  const { bucket, key, signal } = request
  const range = { kind: 'from-to' as const, first: rest.offset, last: rest.end - 1 }
  const wanted: ReadRequest = { bucket, key, range, conditions: {}, signal }
  try {
    await dropCorrupt(context, { bucket, key }, record)
  } catch {
    // The disk that cannot read cannot write either: the copy is found broken once more.
  }
  try {
    const answer = await passVersion(context, wanted, record)
    return answer.kind === 'found' ? answer.body : undefined
  } catch (failure) {
    context.observer.warn('the rest of a broken read could not be had', {
      bucket: bucket.ref.name,
      key,
      error: failure,
    })
    return undefined
  }
}

/** A read of a copy that broke off. */
export interface BrokenRead {
  readonly record: ObjectRecord
  readonly error: unknown
  readonly offset: number
  readonly end: number
}
