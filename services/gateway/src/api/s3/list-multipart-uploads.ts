import type { BucketRecord } from '@forebay/model/bucket'
import { renderUploads } from '@forebay/s3/list-documents'
import { parseListParameters } from '@forebay/s3/list-parameters'
import type { Exchange } from './exchange.ts'

const NO_UPLOADS = { uploads: [], commonPrefixes: [], truncated: false } as const

/** ListMultipartUploads: uploads in progress by key, page by page. */
export async function listMultipartUploads(
  exchange: Exchange,
  bucket: BucketRecord,
): Promise<void> {
  const { query } = exchange.target
  const parameters = parseListParameters(query, 'max-uploads')
  const keyMarker = query.get('key-marker') || undefined
  // Without a key marker an upload marker means nothing (S3 API).
  const uploadIdMarker =
    keyMarker === undefined ? undefined : query.get('upload-id-marker') || undefined
  const { prefix, delimiter, pageMax } = parameters
  const answer =
    pageMax === 0
      ? NO_UPLOADS
      : await exchange.context.target.listUploads({
          bucket,
          prefix,
          delimiter,
          keyMarker,
          uploadIdMarker,
          pageMax,
          signal: exchange.signal,
        })
  exchange.sendXml(
    renderUploads({
      ...parameters,
      bucket: exchange.bucketName,
      keyMarker,
      uploadIdMarker,
      answer,
      owner: exchange.owner,
    }),
  )
}
