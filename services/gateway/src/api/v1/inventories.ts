import { Failure } from '@forebay/base/failure'
import { INVENTORY } from '@forebay/jobs/kinds/inventory'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { InventoryPort } from '@forebay/peer/inventory-port'
import type { ActionMessage } from '@forebay/wire/action'
import { encodeInventory } from '@forebay/wire/bucket-inventory'
import { OPEN_STATES } from '../../jobs/job-service.ts'
import { openKnownBucket } from './address.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'

/**
 * `GET /v1/buckets/{bucket}` with `show-inventory`: the inventory of a bucket, under the name that was
 * asked for. A bucket has one, so it answers to every name.
 */
export async function showInventory(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage,
): Promise<void> {
  const bucket = await openKnownBucket(exchange, rawName, 'list')
  const facts = portOf(exchange).factsOf(bucket.id)
  if (facts === undefined) {
    if (message.name === '') return exchange.sendJson({})
    throw none(bucket)
  }
  const { ref } = bucket
  const [job] = await serviceOf(exchange).list(
    { kind: INVENTORY.name, bucket: formatBucket(ref), states: ['finished'], max: 1 },
    jobCallerOf(exchange),
  )
  exchange.sendJson(
    encodeInventory({
      ref,
      name: message.name === '' ? `inv-${ref.name}` : message.name,
      objects: facts.objects,
      fileBytes: facts.fileBytes,
      startedMs: facts.asOfMs,
      endedMs: job?.endedMs,
    }),
  )
}

/** `DELETE /v1/buckets/{bucket}` with `destroy-inventory`: lists come from the store again. */
export async function destroyInventory(exchange: Exchange, rawName: string): Promise<void> {
  const bucket = await openKnownBucket(exchange, rawName, INVENTORY.need)
  const port = portOf(exchange)
  const making = await serviceOf(exchange).list(
    { kind: INVENTORY.name, bucket: formatBucket(bucket.ref), states: OPEN_STATES, max: 1 },
    jobCallerOf(exchange),
  )
  if (making[0] !== undefined) {
    throw new Failure('job-state-invalid', `job ${making[0].id} is making the inventory just now`, {
      hint: 'Stop the job, or wait for it.',
    })
  }
  if (port.factsOf(bucket.id) === undefined) throw none(bucket)
  await port.drop(bucket.id)
  exchange.sendEmpty(200)
}

function portOf({ context }: Exchange): InventoryPort {
  if (context.inventories !== undefined) return context.inventories
  throw new Failure('not-implemented', 'this node keeps no inventories')
}

function none({ ref }: BucketRecord): Failure {
  return new Failure('job-not-found', `bucket "${formatBucket(ref)}" has no inventory`)
}
