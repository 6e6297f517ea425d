import type { ObjectAddress } from '@forebay/peer/target-port'
import { renderParts } from '@forebay/s3/documents'
import { parseEncodingType, parsePageSize } from '@forebay/s3/list-parameters'
import { wholeNumber } from '@forebay/s3/query'
import type { Exchange } from './exchange.ts'
import { uploadAddress } from './upload-address.ts'

/** ListParts: the parts of an upload by number, page by page. */
export async function listParts(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const { query } = exchange.target
  const upload = uploadAddress(exchange, address)
  const page = {
    afterPart: wholeNumber(query, 'part-number-marker') ?? 0,
    pageMax: parsePageSize(query, 'max-parts'),
  }
  const urlEncoded = parseEncodingType(query)
  const answer = await exchange.context.target.listParts({ ...upload, ...page })
  exchange.sendXml(
    renderParts({
      ...page,
      bucket: exchange.bucketName,
      key: address.key,
      uploadId: upload.uploadId,
      urlEncoded,
      owner: exchange.owner,
      answer,
    }),
  )
}
