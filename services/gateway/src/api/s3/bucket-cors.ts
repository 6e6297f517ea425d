import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import { CORS_BYTES_MAX, parseCors, renderCors } from '@forebay/s3/cors'
import type { Exchange } from './exchange.ts'
import { readDocument } from './open-body.ts'

/** GetBucketCors: the rules of this door, also for a bucket with a backend: browsers talk to it. */
export async function getBucketCors(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const rules = bucket.s3?.cors
  if (rules === undefined) {
    throw new Failure('configuration-absent', 'the bucket has no rules for other origins', {
      facts: { configuration: 'cors' },
    })
  }
  exchange.sendXml(renderCors(rules))
}

/** PutBucketCors: replaces all rules. */
export async function putBucketCors(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const cors = parseCors(await readDocument(exchange, { bytesMax: CORS_BYTES_MAX }))
  await exchange.context.table.update(bucket.id, { s3: { cors } })
  exchange.sendEmpty(200)
}

/** DeleteBucketCors: 204 whether or not there were rules. */
export async function deleteBucketCors(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  await exchange.context.table.update(bucket.id, { s3: { cors: undefined } })
  exchange.sendEmpty(204)
}
