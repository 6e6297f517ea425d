import { isFailure } from '@forebay/base/failure'
import { INVENTORY } from '@forebay/jobs/kinds/inventory'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { InventoryFacts } from '@forebay/peer/inventory-port'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'

/** What a row of a bucket tells of its inventory. Times are ISO 8601. */
export interface InventoryRow {
  readonly objects: number
  readonly bytes: number
  readonly fileBytes: number
  readonly changedKeys: number
  readonly asOf: string
  readonly usableUntil: string
  readonly usable: boolean
  /** When a schedule makes the next one; absent: none does, or Redis does not say. */
  readonly nextRefresh?: string
}

/** The inventories of those of the buckets that have one, by id of the bucket. */
export async function inventoryRows(
  exchange: Exchange,
  buckets: readonly BucketRecord[],
): Promise<ReadonlyMap<number, { readonly inventory: InventoryRow }>> {
  const { inventories } = exchange.context
  const rows = new Map<number, { readonly inventory: InventoryRow }>()
  if (inventories === undefined) return rows
  let refreshes: ReadonlyMap<string, number> | undefined
  for (const { id, ref } of buckets) {
    const facts = inventories.factsOf(id)
    if (facts === undefined) continue
    refreshes ??= await nextRefreshes(exchange)
    rows.set(id, { inventory: rowOf(facts, refreshes.get(formatBucket(ref))) })
  }
  return rows
}

function rowOf(facts: InventoryFacts, nextMs: number | undefined): InventoryRow {
  const { objects, bytes, fileBytes, changedKeys, asOfMs, maxAgeMs, isUsable } = facts
  return {
    ...{ objects, bytes, fileBytes, changedKeys },
    asOf: new Date(asOfMs).toISOString(),
    usableUntil: new Date(asOfMs + maxAgeMs).toISOString(),
    usable: isUsable,
    ...(nextMs === undefined ? {} : { nextRefresh: new Date(nextMs).toISOString() }),
  }
}

/** When the schedules that the caller sees make inventories next, ms since 1970, by bucket. */
async function nextRefreshes(exchange: Exchange): Promise<ReadonlyMap<string, number>> {
  const next = new Map<string, number>()
  try {
    const schedules = (await exchange.context.jobs?.schedules(jobCallerOf(exchange))) ?? []
    for (const { order, nextMs } of schedules) {
      if (order.kind !== INVENTORY.name || order.bucket === undefined) continue
      const bucket = formatBucket(order.bucket)
      next.set(bucket, Math.min(nextMs, next.get(bucket) ?? Number.POSITIVE_INFINITY))
    }
  } catch (error) {
    // Buckets are told of while Redis is away.
    if (!isFailure(error, 'job-engine-unavailable')) throw error
  }
  return next
}
