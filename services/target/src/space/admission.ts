import type { BucketRecord } from '@forebay/model/bucket'
import type { Wanted } from '../store/contract.ts'
import { driveOf, roundToUnit, type StoreContext } from '../store/store-context.ts'
import type { FreeRoom, PlacedName } from './bucket-policies.ts'
import { pinOf, rulesOf } from './bucket-rules.ts'

interface Name {
  readonly bucket: BucketRecord
  readonly key: string
}

/**
 * Whether an object that is read from its backend is worth keeping: it has a size that the bucket
 * keeps, was asked for before where the bucket wants that, and finds room, for what the policy does
 * not replace anything for needs room that is free. What is pinned is worth the room of others.
 *
 * @param wanted undefined before the backend was asked: then the bucket's usual size counts, and the
 *   read is noted as a miss
 */
export function admitsObject(
  context: StoreContext,
  name: Name,
  wanted: Wanted | undefined,
): boolean {
  const { bucket, key } = name
  if (wanted !== undefined && !keepsSize(bucket, wanted.sizeBytes)) return false
  const { mountpath } = driveOf(context, bucket, key)
  const rules = rulesOf(bucket)
  const place = { mountpath: mountpath.number, bucketId: bucket.id, key }
  if (wanted === undefined) context.policies.missed(place)
  const bytes = wanted?.storedBytes ?? wanted?.sizeBytes ?? usualBytes(context, bucket.id)
  const onDisk = roundToUnit(bytes, mountpath.unitBytes)
  if (onDisk > rules.quotaBytes) return false
  if (pinOf(rules, key, context.clock.now()) !== undefined) return true
  if (wanted === undefined && rules.admit === 'second-hit') {
    const { objects } = context.index.bucketTally(bucket.id)
    if (!context.seenOnce.isSecond({ bucketId: bucket.id, key }, objects)) return false
  }
  return context.policies.admits(place, freeRoom(context, place, onDisk))
}

/** Whether one more part of an object that is there in parts is worth keeping. */
export function admitsPart(context: StoreContext, place: PlacedName, bytes: number): boolean {
  const { bucketId, key } = place
  if (pinOf(rulesOf(context.bucketOf(bucketId)), key, context.clock.now()) !== undefined)
    return true
  return context.policies.admitsMore(place, freeRoom(context, place, bytes))
}

/** Whether the bucket keeps objects of this size at all. */
export function keepsSize(bucket: BucketRecord, sizeBytes: number): boolean {
  const { admitMinBytes, admitMaxBytes } = rulesOf(bucket)
  return sizeBytes >= admitMinBytes && sizeBytes <= admitMaxBytes
}

function freeRoom(context: StoreContext, place: PlacedName, bytes: number): FreeRoom {
  const space = context.driveByNumber.get(place.mountpath)?.space
  return {
    onDisk: space?.hasRoom(bytes) ?? false,
    inQuota: context.quotas.hasRoom(place.bucketId, bytes),
  }
}

function usualBytes(context: StoreContext, bucketId: number): number {
  const { objects, bytes } = context.index.bucketTally(bucketId)
  return objects === 0 ? 1 : bytes / objects
}
