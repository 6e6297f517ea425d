import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { Tags } from '@forebay/model/object'
import { parseTagging, renderTagging, TAGGING_BYTES_MAX } from '@forebay/s3/tagging'
import type { Exchange } from './exchange.ts'
import { readDocument } from './open-body.ts'

/** GetBucketTagging: of a bucket with a backend, the tags that it has there. */
export async function getBucketTagging(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { target } = exchange.context
  const tags =
    bucket.backend === undefined
      ? bucket.s3?.tags
      : await target.getBucketTags({ bucket, signal: exchange.signal })
  if (tags === undefined) {
    throw new Failure('configuration-absent', 'the bucket has no tags', {
      facts: { configuration: 'tagging' },
    })
  }
  exchange.sendXml(renderTagging(tags))
}

/** PutBucketTagging: replaces all tags of a bucket. */
export async function putBucketTagging(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const document = await readDocument(exchange, { bytesMax: TAGGING_BYTES_MAX })
  await replace(exchange, bucket, parseTagging(document, 'bucket'))
}

/** DeleteBucketTagging: removes all tags of a bucket. */
export async function deleteBucketTagging(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  await replace(exchange, bucket, undefined)
}

async function replace(
  exchange: Exchange,
  bucket: BucketRecord,
  tags: Tags | undefined,
): Promise<void> {
  const { target, table } = exchange.context
  if (bucket.backend === undefined) await table.update(bucket.id, { s3: { tags } })
  else await target.putBucketTags({ bucket, tags: tags ?? [], signal: exchange.signal })
  exchange.sendEmpty(204)
}
