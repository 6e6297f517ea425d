import { Failure } from '@forebay/base/failure'
import { PROMOTE } from '@forebay/jobs/kinds/promote'
import { formatBucket } from '@forebay/model/bucket'
import { type ActionMessage, valueFields } from '@forebay/wire/action'
import { type RawAddress, wantedBucket } from './address.ts'
import { sendId } from './cluster-jobs.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'

/**
 * `POST /v1/objects/{bucket}` with the action `promote`: orders a job that makes objects of a file or
 * directory of the node, and answers its id. Whether files are shared (`notshr`) matters to clusters
 * alone.
 */
export async function orderPromote(
  exchange: Exchange,
  address: RawAddress,
  message: ActionMessage,
): Promise<void> {
  const service = serviceOf(exchange)
  const caller = jobCallerOf(exchange)
  const { ref } = await caller.open(wantedBucket(exchange, address.bucket), PROMOTE.need)
  const value = valueFields(message)
  const node = value.text('tid') ?? ''
  if (node !== '' && node !== exchange.context.nodeId) {
    throw new Failure('argument-invalid', `there is no node "${node.slice(0, 64)}"`)
  }
  const source = value.text('src') ?? ''
  const name = value.text('obj') ?? ''
  const args = {
    source: source === '' ? message.name : source,
    ...(name === '' ? {} : name.endsWith('/') ? { prepend: name } : { name }),
    ...(value.flag('rcr') === true ? { recursive: true } : {}),
    ...(value.flag('ovw') === true ? { overwrite: true } : {}),
    ...(value.flag('dls') === true ? { deleteSource: true } : {}),
  }
  sendId(
    exchange,
    await service.order({ kind: PROMOTE.name, bucket: formatBucket(ref), args }, caller),
  )
}
