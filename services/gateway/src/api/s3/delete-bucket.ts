import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Exchange } from './exchange.ts'

/** DeleteBucket: removes an empty native bucket. */
export async function deleteBucket(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { table, target } = exchange.context
  if (bucket.backend !== undefined) {
    throw new Failure('not-implemented', 'a bucket of a backend cannot be deleted through S3', {
      hint: 'Use "forebay bucket rm" to take it out of Forebay; its objects stay at the backend.',
    })
  }
  if (!(await target.isEmpty(bucket, exchange.signal))) {
    throw new Failure('bucket-not-empty', 'the bucket you tried to delete is not empty')
  }
  await table.destroy(bucket.id)
  await target.dropBucket(bucket)
  exchange.sendEmpty(204)
}
