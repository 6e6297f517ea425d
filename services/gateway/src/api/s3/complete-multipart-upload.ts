import { Failure } from '@forebay/base/failure'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { parseChecksumHeader, parseChecksumKind } from '@forebay/s3/checksum-headers'
import { parseWriteConditions } from '@forebay/s3/conditions'
import { renderUploadCompleted } from '@forebay/s3/documents'
import { COMPLETION_BYTES_MAX, parseCompletion } from '@forebay/s3/request-documents'
import { header } from '@forebay/s3/request-headers'
import { verbatim } from '@forebay/s3/verbatim'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { readDocument } from './open-body.ts'
import { uploadAddress } from './upload-address.ts'

/** CompleteMultipartUpload: makes one object of the parts named; repeatable. */
export async function completeMultipartUpload(
  exchange: Exchange,
  address: ObjectAddress,
): Promise<void> {
  const { headers } = exchange
  const upload = uploadAddress(exchange, address)
  const conditions = parseWriteConditions(headers)
  const checksum = parseChecksumHeader(headers)
  const kind = parseChecksumKind(header(headers, 'x-amz-checksum-type'))
  if (checksum?.kind === 'composite' && kind === 'whole') {
    throw new Failure('bad-request', 'the checksum is a composite, x-amz-checksum-type says not')
  }
  const sizeBytes = parseObjectSize(header(headers, 'x-amz-mp-object-size'))
  const document = await readDocument(exchange, { bytesMax: COMPLETION_BYTES_MAX, checksum: false })
  const completing = exchange.context.target.completeUpload({
    ...upload,
    parts: parseCompletion(document),
    conditions,
    checksum,
    checksumKind: kind,
    sizeBytes,
  })
  const { attributes, versionId } = await exchange.keepAwake(completing)
  const flat: FlatHeaders = versionId === undefined ? [] : ['x-amz-version-id', versionId]
  const answer = {
    location: exchange.locationOf(address.key),
    bucket: exchange.bucketName,
    key: address.key,
    attributes,
  }
  exchange.sendXml(renderUploadCompleted(answer), flat)
}

function parseObjectSize(value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  if (/^-\d+$/.test(value)) {
    throw verbatim(
      'bad-request',
      `Value for x-amz-mp-object-size header is less than zero: '${value}'`,
    )
  }
  if (!/^\d{1,15}$/.test(value)) {
    throw new Failure('argument-invalid', 'x-amz-mp-object-size is not a number of bytes')
  }
  return Number(value)
}
