import { Failure } from '@forebay/base/failure'
import type { JsonObject } from '@forebay/jobs/job'
import { BLOB_DOWNLOAD } from '@forebay/jobs/kinds/blob-download'
import { formatBucket } from '@forebay/model/bucket'
import { type ActionMessage, valueFields } from '@forebay/wire/action'
import type { Fields } from '@forebay/wire/fields'
import { type RawAddress, wantedBucket } from './address.ts'
import { sendId } from './cluster-jobs.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'

const CONNECTIONS_MAX = 128

/**
 * `POST /v1/objects/{bucket}` with the action `blob-download`: orders a job that brings the object named
 * in the message into the cache, and answers its id. How the object is cut is the node's affair, so
 * `chunk-size` and `full-size` say nothing here.
 */
export async function orderBlobDownload(
  exchange: Exchange,
  address: RawAddress,
  message: ActionMessage,
): Promise<void> {
  const service = serviceOf(exchange)
  const caller = jobCallerOf(exchange)
  const wanted = wantedBucket(exchange, address.bucket)
  const { ref, backend } = await caller.open(wanted, BLOB_DOWNLOAD.need)
  if (backend === undefined) {
    throw new Failure('bucket-not-remote', `bucket "${ref.name}" has no backend`)
  }
  if (message.name === '') throw new Failure('argument-invalid', 'name must be that of an object')
  const args = { key: message.name, ...argsOf(valueFields(message)) }
  const order = { kind: BLOB_DOWNLOAD.name, bucket: formatBucket(ref), args }
  sendId(exchange, await service.order(order, caller))
}

function argsOf(value: Fields): JsonObject {
  const workers = value.integer('num-workers', { min: -1, max: 2 ** 31 }) ?? 0
  return {
    ...(value.flag('latest-ver') === true ? { latest: true } : {}),
    ...(workers > 0 ? { connections: Math.min(workers, CONNECTIONS_MAX) } : {}),
  }
}
