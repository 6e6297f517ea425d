import type { ObjectAddress } from '@forebay/peer/target-port'
import { keyIdOf, type ObjectContext, raiseKey } from './context.ts'

/** Removes a copy whose time to live is over, so that nobody joins what still reads it. */
export async function dropExpired(
  context: ObjectContext,
  { bucket, key }: ObjectAddress,
): Promise<void> {
  const keyId = keyIdOf(bucket, key)
  await context.locks.hold(keyId, async () => {
    if (!context.store.isExpired(bucket.id, key)) return
    raiseKey(context, keyId)
    await context.store.remove(bucket.id, key, { sync: false, settle: false, why: 'stale' })
  })
}
