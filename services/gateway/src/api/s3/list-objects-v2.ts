import { Failure } from '@forebay/base/failure'
import type { BucketRecord } from '@forebay/model/bucket'
import type { ListAnswer } from '@forebay/peer/target-port'
import { renderListV2 } from '@forebay/s3/list-documents'
import { openToken, parseListParameters, sealToken } from '@forebay/s3/list-parameters'
import type { Exchange } from './exchange.ts'

const NOTHING: ListAnswer = { objects: [], commonPrefixes: [], nextToken: undefined }

/** ListObjectsV2: pages follow an opaque token; every parameter comes back in the answer. */
export async function listObjectsV2(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { query } = exchange.target
  const parameters = parseListParameters(query, 'max-keys')
  const startAfter = query.get('start-after') || undefined
  const sealed = query.get('continuation-token')
  const fetchOwner = parseFlag(query.get('fetch-owner'), 'fetch-owner')
  // An empty token is that of the first page.
  const token = sealed ? openToken(sealed, bucket.id) : undefined
  const answer =
    parameters.pageMax === 0
      ? NOTHING
      : await exchange.context.target.list({
          bucket,
          prefix: parameters.prefix,
          delimiter: parameters.delimiter,
          after: startAfter,
          token,
          pageMax: parameters.pageMax,
          inventory: bucket.properties.listFrom === 'inventory',
          signal: exchange.signal,
        })
  const { nextToken } = answer
  exchange.sendXml(
    renderListV2({
      ...parameters,
      bucket: exchange.bucketName,
      startAfter,
      continuationToken: sealed,
      nextContinuationToken: nextToken === undefined ? undefined : sealToken(nextToken, bucket.id),
      answer,
      owner: fetchOwner ? exchange.owner : undefined,
    }),
  )
}

function parseFlag(value: string | undefined, name: string): boolean {
  switch (value?.toLowerCase()) {
    case undefined:
    case '':
    case 'false':
      return false
    case 'true':
      return true
    default:
      throw new Failure('argument-invalid', `${name} is neither true nor false`)
  }
}
