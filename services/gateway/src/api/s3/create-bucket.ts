import { Failure } from '@forebay/base/failure'
import { parseOwnershipHeader } from '@forebay/s3/access-control'
import { checkNewBucketName } from '@forebay/s3/bucket-name'
import { percentEncode } from '@forebay/s3/percent'
import { parseBucketConfiguration } from '@forebay/s3/request-documents'
import { verbatim } from '@forebay/s3/verbatim'
import type { Exchange } from './exchange.ts'
import { readDocument } from './open-body.ts'

/** CreateBucket: a native bucket; a name that already means a bucket is taken. */
export async function createBucket(exchange: Exchange): Promise<void> {
  const { table, resolver, region } = exchange.context
  const name = checkNewBucketName(exchange.bucketName)
  const ownership = parseOwnershipHeader(exchange.headers)
  const { region: wanted, tags } = parseBucketConfiguration(await readDocument(exchange))
  // S3 takes every region's name here but that of the one that is the default.
  if (wanted !== undefined && (wanted !== region || wanted === 'us-east-1')) {
    throw verbatim('location-invalid', 'The specified location-constraint is not valid', {
      region,
    })
  }
  if (table.get(name).length > 0) {
    throw new Failure('bucket-exists', 'the bucket exists already')
  }
  const created = await table.create({ provider: 'ais', namespace: { uuid: '', name: '' }, name })
  if (ownership !== undefined || tags !== undefined) {
    await table.update(created.id, { s3: { ownership, tags } })
  }
  resolver.forget(name)
  exchange.sendEmpty(200, [
    'Location',
    `/${percentEncode(name)}`,
    'x-amz-bucket-arn',
    `arn:aws:s3:::${name}`,
  ])
}
