import type { BucketRecord } from '@forebay/model/bucket'
import { type PolicyKind, resolveProperties } from '@forebay/model/bucket-properties'

/** By row of the bucket table: a changed property is a new row. */
const kinds = new WeakMap<BucketRecord, PolicyKind | 'none'>()

/** How objects of the bucket are chosen for eviction; undefined: never, or there is no such bucket. */
export function policyKindOf(bucket: BucketRecord | undefined): PolicyKind | undefined {
  if (bucket === undefined) return undefined
  let kind = kinds.get(bucket)
  if (kind === undefined) {
    const { evictable, policy } = resolveProperties(bucket.backend, bucket.properties)
    kind = evictable ? policy : 'none'
    kinds.set(bucket, kind)
  }
  return kind === 'none' ? undefined : kind
}
