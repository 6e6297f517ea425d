import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Exchange } from './exchange.ts'

/** DeleteBucket: removes an empty native bucket. */
export async function deleteBucket(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { target } = exchange.context
  if (bucket.backend !== undefined) {
    throw new Failure('not-implemented', 'a bucket of a backend cannot be deleted through S3', {
      hint: 'Use "forebay bucket rm" to take it out of Forebay; its objects stay at the backend.',
    })
  }
  // From here to the end a write waits: it is part of the bucket before, or finds it gone.
  if (!(await target.sealIfEmpty(bucket))) {
    throw new Failure('bucket-not-empty', 'the bucket you tried to delete is not empty')
  }
  if (!(await destroyRow(exchange, bucket))) {
    throw new Failure('bucket-not-found', 'the specified bucket does not exist')
  }
  await target.dropBucket(bucket)
  exchange.sendEmpty(204)
}

/** @returns false when somebody else destroyed it meanwhile */
async function destroyRow({ context }: Exchange, bucket: BucketRecord): Promise<boolean> {
  try {
    return await context.table.destroy(bucket.id)
  } catch (error) {
    await context.target.unseal(bucket)
    throw error
  }
}
