import type { BucketRecord } from '@forebay/model/bucket'
import type { ObjectRecord } from '../store/contract.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import type { GenerationToken } from './generations.ts'

/** What was fetched, and the generation that it began with. */
interface Fetched {
  readonly bucket: BucketRecord
  readonly key: string
  readonly token: GenerationToken
}

/**
 * Publishes a fetched object by `commit`, under the lock of its key. A late one feeds its readers and
 * leaves no trace (rule 5).
 *
 * @returns the record; undefined where the generation is over, with nothing done, or `commit` had no use
 */
export async function publishCurrent(
  context: ObjectContext,
  { bucket, key, token }: Fetched,
  commit: () => Promise<ObjectRecord | undefined>,
): Promise<ObjectRecord | undefined> {
  return context.locks.hold(keyIdOf(bucket, key), async () => {
    if (!token.isCurrent()) return undefined
    const record = await commit()
    if (record === undefined) return undefined
    // Who raises a key without its lock may have come meanwhile: the next reader asks.
    if (!token.isCurrent()) context.store.expire(bucket.id, key)
    context.unsettled.settled(bucket.id, key)
    return record
  })
}
