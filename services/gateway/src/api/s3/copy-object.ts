import { Failure } from '@forebay/base/failure'
import type { CopyRequest, ObjectAddress } from '@forebay/peer/target-port'
import { parseAlgorithm } from '@forebay/s3/checksum-headers'
import { parseSourceConditions, parseWriteConditions } from '@forebay/s3/conditions'
import { parseCopySource } from '@forebay/s3/copy-source'
import { renderCopy } from '@forebay/s3/documents'
import { parseStorageClass, parseStoredHeaders } from '@forebay/s3/object-headers'
import { header } from '@forebay/s3/request-headers'
import { parseTaggingHeader } from '@forebay/s3/tagging'
import { badArgument } from '@forebay/s3/verbatim'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { openCopySource } from './open-copy-source.ts'

/** CopyObject: the caller must be allowed to read the source as well as to write here. */
export async function copyObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { headers } = exchange
  const named = parseCopySource(headers)
  const replace = parseReplacement(exchange)
  if (parseStorageClass(headers) !== undefined) {
    throw new Failure('not-implemented', 'copies into another storage class are not supported')
  }
  const request = {
    conditions: parseWriteConditions(headers),
    sourceConditions: parseSourceConditions(headers),
    checksumAlgorithm: parseAlgorithm(header(headers, 'x-amz-checksum-algorithm')),
    replace,
    replaceTags: parseReplacedTags(exchange),
  }
  const source = await openCopySource(exchange, named)
  const same = source.bucket.id === address.bucket.id && source.key === address.key
  if (same && changesNothing(request)) {
    throw new Failure(
      'bad-request',
      "this copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes",
    )
  }
  const { attributes, versionId } = await exchange.context.target.copy({
    ...request,
    bucket: address.bucket,
    key: address.key,
    source,
    signal: exchange.signal,
  })
  const flat: FlatHeaders = versionId === undefined ? [] : ['x-amz-version-id', versionId]
  exchange.sendXml(renderCopy('CopyObjectResult', attributes), flat)
}

/** S3 refuses a copy onto itself that changes nothing; tags are changed by PutObjectTagging. */
function changesNothing(request: Pick<CopyRequest, 'replace' | 'checksumAlgorithm'>): boolean {
  return request.replace === undefined && request.checksumAlgorithm === undefined
}

function parseReplacedTags(exchange: Exchange): CopyRequest['replaceTags'] {
  const directive = header(exchange.headers, 'x-amz-tagging-directive') ?? 'COPY'
  if (directive === 'COPY') return undefined
  if (directive === 'REPLACE') return parseTaggingHeader(exchange.headers) ?? []
  throw badArgument('Unknown tagging directive.', 'x-amz-tagging-directive', directive)
}

function parseReplacement(exchange: Exchange): CopyRequest['replace'] {
  const directive = header(exchange.headers, 'x-amz-metadata-directive') ?? 'COPY'
  // Metadata that is not taken over must not be a lie either: S3 limits it all the same.
  if (directive === 'COPY') {
    exchange.parseMetadata()
    if (parseStoredHeaders(exchange.headers).websiteRedirect !== undefined) {
      throw new Failure(
        'not-implemented',
        'a copy that keeps its metadata cannot get a website redirect location',
      )
    }
    return undefined
  }
  if (directive !== 'REPLACE') {
    throw new Failure('argument-invalid', 'unknown metadata directive')
  }
  return {
    headers: parseStoredHeaders(exchange.headers),
    metadata: exchange.parseMetadata(),
  }
}
