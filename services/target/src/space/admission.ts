import type { BucketRecord } from '@forebay/model/bucket'
import { driveOf, roundToUnit, type StoreContext } from '../store/store-context.ts'

/**
 * Whether an object that is read from its backend is worth keeping: what its bucket's policy does not
 * replace anything for needs room that is free.
 *
 * @param sizeBytes undefined before the backend was asked: then the bucket's usual size counts, and the
 *   policy hears of a miss
 */
export function admitsObject(
  context: StoreContext,
  { bucket, key }: { readonly bucket: BucketRecord; readonly key: string },
  sizeBytes: number | undefined,
): boolean {
  const { mountpath, space } = driveOf(context, bucket, key)
  const name = { mountpath: mountpath.number, bucketId: bucket.id, key }
  if (sizeBytes === undefined) context.policies.missed(name)
  const bytes = roundToUnit(sizeBytes ?? usualBytes(context, bucket.id), mountpath.unitBytes)
  return context.policies.admits(name, space.hasRoom(bytes))
}

function usualBytes(context: StoreContext, bucketId: number): number {
  const { objects, bytes } = context.index.bucketTally(bucketId)
  return objects === 0 ? 1 : bytes / objects
}
