import { isFailure } from '@forebay/base/failure'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { type CopySource, whyNoSource } from '@forebay/s3/copy-source'
import type { Exchange } from './exchange.ts'

/**
 * The source of a copy, which the caller must be allowed to read.
 *
 * @throws Failure `argument-invalid` | `bucket-not-found` | `access-denied` | `bucket-ambiguous` |
 *   `backend-*`
 */
export async function openCopySource(
  exchange: Exchange,
  named: CopySource,
): Promise<ObjectAddress> {
  try {
    return { bucket: await exchange.openBucket(named.bucket, 'read'), key: named.key }
  } catch (error) {
    if (!isFailure(error, 'bucket-not-found')) throw error
    throw whyNoSource(named) ?? error
  }
}
