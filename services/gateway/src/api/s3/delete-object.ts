import { Failure } from '@forebay/base/failure'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { parseWriteConditions } from '@forebay/s3/conditions'
import type { Exchange } from './exchange.ts'

/** DeleteObject: 204 whether or not there was an object (S3 API). */
export async function deleteObject(exchange: Exchange, address: ObjectAddress): Promise<void> {
  const conditions = parseWriteConditions(exchange.headers)
  if (conditions.ifNoneMatch !== undefined) {
    throw new Failure('not-implemented', 'If-None-Match on a deletion is not supported')
  }
  await exchange.context.target.delete({
    bucket: address.bucket,
    key: address.key,
    conditions,
    signal: exchange.signal,
  })
  exchange.sendEmpty(204)
}
