import type { ObjectAddress } from '@forebay/peer/target-port'
import { pushChecksums } from '@forebay/s3/checksum-headers'
import { parseWriteConditions } from '@forebay/s3/conditions'
import { parseStorageClass, parseStoredHeaders } from '@forebay/s3/object-headers'
import { parseTaggingHeader } from '@forebay/s3/tagging'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { openObjectBody } from './open-body.ts'

/** PutObject: stores a body whole or not at all. */
export async function putObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { headers } = exchange
  const { body, stated } = openObjectBody(exchange)
  const request = {
    bucket: address.bucket,
    key: address.key,
    headers: parseStoredHeaders(headers),
    metadata: exchange.parseMetadata(),
    conditions: parseWriteConditions(headers),
    storageClass: parseStorageClass(headers),
    tags: parseTaggingHeader(headers),
    stated: stated.checksum === undefined ? [] : [stated.checksum],
    contentMd5Hex: stated.contentMd5Hex,
    md5: true,
    body,
    signal: exchange.signal,
  }
  try {
    const { attributes, versionId } = await exchange.context.target.write(request)
    const flat: FlatHeaders = ['ETag', `"${attributes.etag}"`]
    pushChecksums(flat, attributes.checksums)
    flat.push('x-amz-object-size', attributes.sizeBytes)
    if (versionId !== undefined) flat.push('x-amz-version-id', versionId)
    exchange.sendEmpty(200, flat)
  } finally {
    exchange.bytesIn = body.receivedBytes
  }
}
