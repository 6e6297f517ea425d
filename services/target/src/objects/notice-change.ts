/**
 * What a backend told of a change of its own accord, by an event: brings the entry in line without a
 * request to the backend.
 */
import { matchesPin, type Pin } from '@forebay/model/version'
import type { ChangeNotice, Noticed, ToldState } from '@forebay/peer/target-port'
import { keyIdOf, type ObjectContext, raiseBucket, raiseKey } from './context.ts'

/**
 * Takes note of a change. Once this has resolved, no later read is answered with a version older than
 * the one told of: what is cached or on its way is used again only after a question to the backend
 * (rule 5).
 *
 * A write of our own that is under way is waited for: the event may be about the very version that it
 * leaves behind, and then nothing is to be done.
 *
 * @throws Failure `object-busy`, or the signal's reason: nothing was noted, the event must come again
 */
export async function noticeChange(context: ObjectContext, notice: ChangeNotice): Promise<Noticed> {
  const { bucket, key, signal } = notice
  if (key === undefined) {
    context.told.beginAnew(bucket)
    raiseBucket(context, bucket)
    return 'stale'
  }
  const keyId = keyIdOf(bucket, key)
  const release = await context.locks.acquire(keyId, signal)
  try {
    return await noteKey(context, { ...notice, key })
  } finally {
    release()
  }
}

async function noteKey(
  context: ObjectContext,
  { bucket, key, now }: ChangeNotice & { readonly key: string },
): Promise<Noticed> {
  const keyId = keyIdOf(bucket, key)
  const record = context.store.get(bucket.id, key)
  const fill = context.fills.get(keyId)
  const gathered = context.fills.gathered(keyId)
  const held = [record?.pin, fill?.pin, gathered?.pin].filter((pin) => pin !== undefined)
  // Of an opening nobody knows yet which version it will be.
  const isKnown = context.fills.opening(keyId) === undefined
  if (isKnown && held.length > 0 && held.every((pin) => isThat(now, pin))) return 'current'
  raiseKey(context, keyId)
  if (record === undefined) {
    // A copy may be there that is not served now, and would be by a longer time to live.
    context.store.expire(bucket.id, key)
    return 'stale'
  }
  if (changesUnseen(now, record.pin)) {
    await context.store.remove(bucket.id, key, { sync: false, settle: false, why: 'stale' })
  } else {
    context.store.expire(bucket.id, key)
  }
  return 'stale'
}

/** True when the pinned version is the one that the event told of. */
function isThat(now: ToldState, pin: Pin): boolean {
  return now.kind === 'version' && !changesUnseen(now, pin) && matchesPin(pin, now.validators)
}

/**
 * True when the object may differ from the pinned version although a question would say that it is
 * still the same: other metadata of the same bytes under the same tag.
 */
function changesUnseen(now: ToldState, pin: Pin): boolean {
  switch (now.kind) {
    case 'metadata':
      return true
    case 'version':
      return now.copied && pin.kind === 'etag' && matchesPin(pin, now.validators)
    case 'gone':
    case 'unknown':
      return false
    default:
      return now satisfies never
  }
}
