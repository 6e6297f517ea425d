import { Failure } from '@forebay/base/failure'
import { LIST_PAGE_MAX } from '@forebay/base/limits'
import type { Lease, ListedStep } from '@forebay/jobs/engine'
import type { JobItem, JobRecord } from '@forebay/jobs/job'
import { INVENTORY, inventoryAgeMs } from '@forebay/jobs/kinds/inventory'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'
import type { BucketInventory } from '../../inventory/bucket-inventory.ts'
import type { Inventories } from '../../inventory/inventories.ts'
import { argsOf } from '../args-of.ts'
import type { JobContext, KindWork } from '../kind-work.ts'

/** How far the list is, and on which node: the files of another are not here. */
interface Place {
  readonly node: string
  readonly build: string
  readonly asOfMs: number
  /** Of the file of names. */
  readonly bytes: number
  readonly last: string
  readonly token: string
}

interface Step {
  readonly job: JobRecord
  readonly cursor: string | undefined
  readonly lease: Lease
}

/**
 * One pass over the list of the store, each page written as it comes; what is published at the end is
 * one item of the node that has the files.
 */
export const INVENTORY_WORK: KindWork = {
  name: INVENTORY.name,
  list: async (context, step) => {
    const bucket = remoteBucket(context, step.job)
    const inventory = await inventoriesOf(context).make(bucket.id)
    const place = readPlace(context, step) ?? (await begin(context, inventory, step))
    return addPage(context, { bucket, inventory, place, lease: step.lease })
  },
  apply: async (context, { job, item, lease }) => {
    const inventory = await inventoriesOf(context).make(remoteBucket(context, job).id)
    const { build, bytes, asOfMs } = item.extra ?? {}
    if (typeof build !== 'string' || typeof bytes !== 'number' || typeof asOfMs !== 'number') {
      throw new Failure('argument-invalid', 'the item names no inventory')
    }
    const maxAgeMs = inventoryAgeMs(argsOf(INVENTORY, job).maxAge)
    const { signal } = lease
    await inventory.publish({ build, bytes, asOfMs, maxAgeMs, signal, check: () => lease.check() })
    return { kind: 'done', bytes: 0 }
  },
  end: async (context, { job }) => {
    const facts = context.inventories?.factsOf(remoteBucket(context, job).id)
    if (facts === undefined) return undefined
    const { objects, bytes, asOfMs, fileBytes, changedKeys } = facts
    const asOf = new Date(asOfMs).toISOString()
    return { objects, bytes, asOfMs, fileBytes, changedKeys, asOf }
  },
}

async function begin(
  context: JobContext,
  inventory: BucketInventory,
  { job, lease }: Step,
): Promise<Place> {
  const build = `b-${job.id}-${job.attempt}`
  lease.check()
  await inventory.beginBuild(build)
  return { node: context.nodeId, build, asOfMs: context.clock.now(), bytes: 0, last: '', token: '' }
}

async function addPage(
  context: JobContext,
  parts: {
    readonly bucket: BucketRecord
    readonly inventory: BucketInventory
    readonly place: Place
    readonly lease: Lease
  },
): Promise<ListedStep> {
  const { bucket, inventory, place, lease } = parts
  const page = await context.target.list({
    ...{ bucket, prefix: '', pageMax: LIST_PAGE_MAX, signal: lease.signal },
    token: place.token === '' ? undefined : place.token,
  })
  const last = checkOrder(bucket, place.last, page.objects)
  lease.check()
  const { build, asOfMs } = place
  const bytes =
    page.objects.length === 0
      ? place.bytes
      : await inventory.addPage(build, place.bytes, page.objects)
  const token = page.nextToken
  if (token !== undefined) {
    const next: Place = { ...place, bytes, last, token }
    return { pages: [], cursor: JSON.stringify(next) }
  }
  const item: JobItem = { key: formatBucket(bucket.ref), extra: { build, bytes, asOfMs } }
  return { pages: [{ owner: context.nodeId, items: [item] }], cursor: undefined }
}

/** @returns the last key. @throws Failure `not-implemented` for a store that lists in no order */
function checkOrder(bucket: BucketRecord, last: string, objects: readonly ListedObject[]): string {
  let before = last
  for (const { key } of objects) {
    if (compareKeys(before, key) >= 0) {
      throw new Failure(
        'not-implemented',
        `the store of ${formatBucket(bucket.ref)} does not list in the order of names: no inventory can be made`,
      )
    }
    before = key
  }
  return before
}

/** @returns undefined at the beginning, and where another node has the files */
function readPlace(context: JobContext, { cursor }: Step): Place | undefined {
  if (cursor === undefined) return undefined
  // Only `addPage` makes cursors.
  const place: Place = JSON.parse(cursor)
  return place.node === context.nodeId ? place : undefined
}

function inventoriesOf({ inventories }: JobContext): Inventories {
  if (inventories !== undefined) return inventories
  throw new Failure('not-implemented', 'this node keeps no inventories')
}

function remoteBucket(context: JobContext, job: JobRecord): BucketRecord {
  const bucket = context.bucketOf(job)
  if (bucket.backend !== undefined) return bucket
  throw new Failure(
    'bucket-not-remote',
    `${formatBucket(bucket.ref)} has no backend: it is listed from disk as it is`,
  )
}
