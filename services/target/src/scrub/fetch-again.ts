import type { BucketRecord } from '@forebay/model/bucket'
import { keyIdOf, type ObjectContext } from '../objects/context.ts'
import { readObject } from '../objects/read.ts'
import type { BeforeRead } from './check-entry.ts'

/**
 * Reads an object into the cache as any reader would: the backend's version of now, verified as it
 * comes in. What cannot be fetched comes back with its next reader.
 *
 * @returns whether the cache has it now
 * @throws the signal's reason
 */
export async function fetchAgain(
  context: ObjectContext,
  { bucket, key }: { readonly bucket: BucketRecord; readonly key: string },
  { beforeRead, signal }: { readonly beforeRead: BeforeRead; readonly signal: AbortSignal },
): Promise<boolean> {
  try {
    const answer = await readObject(context, { bucket, key, conditions: {}, signal })
    if (answer.kind !== 'found') return false
    await answer.body.pump((chunk) => beforeRead({ bytes: chunk.length, files: 0 }), signal)
    await context.fills.completion(keyIdOf(bucket, key), signal)
    return context.store.get(bucket.id, key) !== undefined
  } catch {
    // Told to whoever reads it next; that the copy is gone is all that matters here.
    signal.throwIfAborted()
    return false
  }
}
