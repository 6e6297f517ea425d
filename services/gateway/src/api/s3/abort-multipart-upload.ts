import type { ObjectAddress } from '@forebay/peer/target-port'
import type { Exchange } from './exchange.ts'
import { uploadAddress } from './upload-address.ts'

/** AbortMultipartUpload: forgets an upload and its parts. */
export async function abortMultipartUpload(
  exchange: Exchange,
  address: ObjectAddress,
): Promise<void> {
  await exchange.context.target.abortUpload(uploadAddress(exchange, address))
  exchange.sendEmpty(204)
}
