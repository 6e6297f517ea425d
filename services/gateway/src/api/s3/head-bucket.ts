import type { Exchange } from './exchange.ts'

/** HeadBucket: that the bucket exists and may be used. */
export async function headBucket(exchange: Exchange): Promise<void> {
  exchange.sendEmpty(200, ['x-amz-bucket-region', exchange.context.region])
}
