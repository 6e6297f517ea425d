import type { ObjectAddress } from '@forebay/peer/target-port'
import { parseSourceConditions } from '@forebay/s3/conditions'
import { parseCopySource, parseCopySourceRange } from '@forebay/s3/copy-source'
import { renderCopy } from '@forebay/s3/documents'
import type { Exchange } from './exchange.ts'
import { openCopySource } from './open-copy-source.ts'
import { parsePartNumber } from './page-number.ts'
import { uploadAddress } from './upload-address.ts'

/** UploadPartCopy: a part made of bytes that are here already; the source must be readable. */
export async function uploadPartCopy(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { headers, target } = exchange
  const named = parseCopySource(headers)
  const request = {
    ...uploadAddress(exchange, address),
    partNumber: parsePartNumber(target.query),
    sourceConditions: parseSourceConditions(headers),
    sourceRange: parseCopySourceRange(headers),
  }
  const source = await openCopySource(exchange, named)
  const part = await exchange.context.target.copyPart({ ...request, source })
  exchange.sendXml(renderCopy('CopyPartResult', part))
}
