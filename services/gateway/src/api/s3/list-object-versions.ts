import type { BucketRecord } from '@forebay/model/bucket'
import { renderVersions } from '@forebay/s3/list-documents'
import { parseListParameters } from '@forebay/s3/list-parameters'
import { badArgument } from '@forebay/s3/verbatim'
import type { Exchange } from './exchange.ts'

/**
 * ListObjectVersions: every object of a native bucket has one version, which S3 calls `null`; of a
 * bucket with a backend those that it has there.
 */
export async function listObjectVersions(exchange: Exchange, bucket: BucketRecord): Promise<void> {
  const { query } = exchange.target
  const parameters = parseListParameters(query, 'max-keys')
  const keyMarker = query.get('key-marker') || undefined
  const versionIdMarker = query.get('version-id-marker') || undefined
  if (versionIdMarker !== undefined && keyMarker === undefined) {
    throw badArgument(
      'A version-id marker cannot be specified without a key marker.',
      'version-id-marker',
      versionIdMarker,
    )
  }
  const { prefix, delimiter, pageMax } = parameters
  const answer = await exchange.context.target.listVersions({
    bucket,
    prefix,
    delimiter,
    keyMarker,
    versionIdMarker,
    pageMax,
    signal: exchange.signal,
  })
  exchange.sendXml(
    renderVersions({
      ...parameters,
      bucket: exchange.bucketName,
      keyMarker,
      versionIdMarker,
      answer,
      owner: exchange.owner,
    }),
  )
}
