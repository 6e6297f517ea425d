import type { ObjectAddress } from '@forebay/peer/target-port'
import { pushChecksums } from '@forebay/s3/checksum-headers'
import type { Exchange, FlatHeaders } from './exchange.ts'
import { openObjectBody } from './open-body.ts'
import { parsePartNumber } from './page-number.ts'
import { uploadAddress } from './upload-address.ts'

/** UploadPart: stores one part whole or not at all; the same number again replaces it. */
export async function uploadPart(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const partNumber = parsePartNumber(exchange.target.query)
  const upload = uploadAddress(exchange, address)
  const { body, stated } = openObjectBody(exchange)
  try {
    const { etag, checksums } = await exchange.context.target.writePart({
      ...upload,
      partNumber,
      stated: stated.checksum === undefined ? [] : [stated.checksum],
      contentMd5Hex: stated.contentMd5Hex,
      body,
    })
    const flat: FlatHeaders = ['ETag', `"${etag}"`]
    pushChecksums(flat, checksums)
    exchange.sendEmpty(200, flat)
  } finally {
    exchange.bytesIn = body.receivedBytes
  }
}
