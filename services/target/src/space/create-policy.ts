import type { PolicyKind } from '@forebay/model/bucket-properties'
import { EpochPolicy } from './epoch.ts'
import { LruPolicy } from './lru.ts'
import { S3FifoPolicy } from './s3-fifo.ts'
import { ShardedPolicy } from './sharded-policy.ts'
import { SievePolicy } from './sieve.ts'

const POLICIES = {
  lru: LruPolicy,
  's3-fifo': S3FifoPolicy,
  sieve: SievePolicy,
  epoch: EpochPolicy,
} as const

/**
 * An empty policy of the kind, for any number of objects.
 *
 * @param nowSeconds wall clock; only differences matter, across restarts too
 */
export function createPolicy(kind: PolicyKind, nowSeconds: () => number): ShardedPolicy {
  return new ShardedPolicy(() => new POLICIES[kind](nowSeconds))
}
