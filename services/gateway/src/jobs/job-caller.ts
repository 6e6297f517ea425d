import type { BucketRecord, BucketRef } from '@forebay/model/bucket'
import type { NamedBucket } from '@forebay/wire/bucket'
import type { Permission } from '../authentication/authorise.ts'

/** Who asks for jobs, and what they may do. */
export interface JobCaller {
  /** Id of the user; absent in open mode. */
  readonly user: string | undefined
  /** True when the caller may do this at all, and to the bucket where one is named. */
  may(need: Permission, bucket?: BucketRef): boolean
  /**
   * The bucket, when the caller may do this to it.
   *
   * @throws Failure `bucket-not-found` | `bucket-ambiguous` | `access-denied` | `backend-*`
   */
  open(bucket: NamedBucket, need: Permission): Promise<BucketRecord>
}
