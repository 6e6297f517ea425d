import type { ObjectAddress } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { keyIdOf, type ObjectContext, raiseKey } from './context.ts'
import { sameVersion } from './same-version.ts'

/** Removes an entry whose bytes are not what the record says: it is read again from the backend. */
export async function dropCorrupt(
  context: ObjectContext,
  { bucket, key }: Pick<ObjectAddress, 'bucket' | 'key'>,
  record: ObjectRecord | undefined,
): Promise<void> {
  if (record === undefined) return
  const keyId = keyIdOf(bucket, key)
  await context.mending.during(keyId, () =>
    context.locks.hold(keyId, async () => {
      if (!sameVersion(context.store.get(bucket.id, key), record)) return
      context.observer.warn('a corrupt entry was dropped', {
        bucket: bucket.ref.name,
        key,
        path: record.location.path,
      })
      raiseKey(context, keyId)
      await context.store.remove(bucket.id, key, { sync: false, settle: false, why: 'corrupt' })
    }),
  )
}
