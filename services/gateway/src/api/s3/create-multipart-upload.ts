import { Failure } from '@forebay/base/failure'
import type { ObjectAddress } from '@forebay/peer/target-port'
import {
  algorithmWord,
  checksumKindWord,
  parseAlgorithm,
  parseChecksumKind,
} from '@forebay/s3/checksum-headers'
import { renderUploadCreated } from '@forebay/s3/documents'
import { parseStorageClass, parseStoredHeaders } from '@forebay/s3/object-headers'
import { header } from '@forebay/s3/request-headers'
import { parseTaggingHeader } from '@forebay/s3/tagging'
import type { Exchange, FlatHeaders } from './exchange.ts'

/** CreateMultipartUpload: begins an upload in parts. */
export async function createMultipartUpload(
  exchange: Exchange,
  address: ObjectAddress,
): Promise<void> {
  const { headers } = exchange
  const checksumAlgorithm = parseAlgorithm(header(headers, 'x-amz-checksum-algorithm'))
  const checksumKind = parseChecksumKind(header(headers, 'x-amz-checksum-type'))
  checkChecksum(checksumAlgorithm, checksumKind)
  const { uploadId } = await exchange.context.target.createUpload({
    ...address,
    headers: parseStoredHeaders(headers),
    metadata: exchange.parseMetadata(),
    storageClass: parseStorageClass(headers),
    tags: parseTaggingHeader(headers),
    checksumAlgorithm,
    checksumKind,
    signal: exchange.signal,
  })
  const flat: FlatHeaders = []
  if (checksumAlgorithm !== undefined) {
    flat.push('x-amz-checksum-algorithm', algorithmWord(checksumAlgorithm))
    flat.push(
      'x-amz-checksum-type',
      checksumKindWord(checksumKind ?? (checksumAlgorithm === 'crc64nvme' ? 'whole' : 'composite')),
    )
  }
  exchange.sendXml(renderUploadCreated(exchange.bucketName, address.key, uploadId), flat)
}

/** Which kinds exist for which algorithm (S3 API, "Checking object integrity"). */
function checkChecksum(
  algorithm: ReturnType<typeof parseAlgorithm>,
  kind: ReturnType<typeof parseChecksumKind>,
): void {
  if (kind === undefined) return
  if (algorithm === undefined) {
    throw new Failure(
      'bad-request',
      'the x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header',
    )
  }
  const impossible = kind === 'whole' ? !algorithm.startsWith('crc') : algorithm === 'crc64nvme'
  if (impossible) {
    throw new Failure(
      'bad-request',
      `the ${checksumKindWord(kind)} checksum type cannot be used with the ${algorithmWord(algorithm).toLowerCase()} checksum algorithm`,
    )
  }
}
