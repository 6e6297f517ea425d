import type { BucketRecord } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ListAnswer } from '@forebay/peer/target-port'
import { renderListV1 } from '@forebay/s3/list-documents'
import { parseListParameters } from '@forebay/s3/list-parameters'
import type { Exchange } from './exchange.ts'

const NOTHING: ListAnswer = { objects: [], commonPrefixes: [], nextToken: undefined }

/** ListObjects, the first form: pages follow a marker, which is a name. */
export async function listObjects(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { query } = exchange.target
  const parameters = parseListParameters(query, 'max-keys')
  const marker = query.get('marker') ?? ''
  const answer =
    parameters.pageMax === 0
      ? NOTHING
      : await exchange.context.target.list({
          bucket,
          prefix: parameters.prefix,
          delimiter: parameters.delimiter,
          after: marker === '' ? undefined : marker,
          pageMax: parameters.pageMax,
          inventory: bucket.properties.listFrom === 'inventory',
          signal: exchange.signal,
        })
  exchange.sendXml(
    renderListV1({
      ...parameters,
      bucket: exchange.bucketName,
      marker,
      nextMarker: nextMarker(answer),
      truncated: answer.nextToken !== undefined,
      answer,
      owner: exchange.owner,
    }),
  )
}

/** S3 says it with a delimiter only; without one it is the last key, as clients take it to be. */
function nextMarker(answer: ListAnswer): string | undefined {
  if (answer.nextToken === undefined) return undefined
  const key = answer.objects.at(-1)?.key
  const prefix = answer.commonPrefixes.at(-1)
  if (key === undefined || prefix === undefined) return key ?? prefix
  return compareKeys(key, prefix) > 0 ? key : prefix
}
