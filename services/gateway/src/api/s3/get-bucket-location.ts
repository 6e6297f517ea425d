import { renderLocation } from '@forebay/s3/documents'
import type { Exchange } from './exchange.ts'

/** GetBucketLocation: every bucket is in the region that clients sign for. */
export async function getBucketLocation(exchange: Exchange): Promise<void> {
  exchange.sendXml(renderLocation(exchange.context.region))
}
