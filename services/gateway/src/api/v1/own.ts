import { Failure } from '@forebay/base/failure'
import { resolveProperties } from '@forebay/model/bucket-properties'
import { checkKey } from '@forebay/model/key'
import { formatProperties, PROPERTY_LIST } from '@forebay/model/property-list'
import { encodeBucket } from '@forebay/wire/bucket'
import { openKnownBucket } from './address.ts'
import type { V1Context } from './context.ts'
import type { Exchange } from './exchange.ts'
import { inventoryRows } from './inventory-rows.ts'

/** `GET /v1/forebay/status`: what the node holds and how its cache does. */
export async function answerStatus(exchange: Exchange): Promise<void> {
  const { context } = exchange
  exchange.authorise('read')
  const { ready, reasons } = context.health()
  const status = await context.status()
  exchange.sendJson({
    version: status.version,
    nodeId: context.nodeId,
    clusterId: context.clusterId,
    uptimeSeconds: Math.max(0, Math.floor((Date.now() - context.startedMs) / 1000)),
    ready,
    reasons,
    bucketCount: context.buckets.list().length,
    objectCount: status.objectCount ?? null,
    unsettledCount: status.unsettledCount,
    mountpaths: status.mountpaths,
    cache: status.cache,
  })
}

/** `GET /v1/forebay/config`: every setting with its origin; secrets are redacted. */
export function answerConfig(exchange: Exchange): void {
  exchange.authorise('admin')
  exchange.sendJson(
    exchange.context.config().map(({ key, value, origin, doc }) => ({
      key,
      value: value ?? null,
      origin,
      doc,
    })),
  )
}

/** `GET /v1/forebay/explain?bucket=&provider=&key=`: what the cache knows about one key. */
export async function answerExplain(exchange: Exchange): Promise<void> {
  const { query, context, signal } = exchange
  const name = query.get('bucket')
  const key = query.get('key')
  if (name === undefined || key === undefined) {
    throw new Failure('argument-invalid', 'explain needs the queries bucket and key')
  }
  exchange.key = checkKey(key)
  const bucket = await openKnownBucket(exchange, encodeURIComponent(name), 'read')
  const explanation = await context.target.explain({ bucket, key, conditions: {}, signal })
  exchange.sendJson({ bucket: encodeBucket(bucket.ref), key, ...explanation })
}

/** `GET /v1/forebay/buckets`: buckets with aliases, backend and properties, in one answer. */
export async function answerBuckets(exchange: Exchange): Promise<void> {
  const { context } = exchange
  const visible = context.buckets
    .list()
    .filter(({ ref }) => context.allows(exchange.raw, 'list', ref.name))
  const inventories = await inventoryRows(exchange, visible)
  exchange.sendJson(
    visible.map((record) => ({
      ...encodeBucket(record.ref),
      created: new Date(record.createdMs).toISOString(),
      aliases: record.aliases,
      backend: record.backend ?? null,
      properties: formatProperties(resolveProperties(record.backend, record.properties)),
      space: context.spaceOf(record),
      ...lastEventOf(context, record.id),
      ...inventories.get(record.id),
    })),
  )
}

/** `GET /v1/forebay/properties`: what properties a bucket can have, and what each is for. */
export function answerProperties(exchange: Exchange): void {
  exchange.authorise('list')
  exchange.sendJson(
    Object.values(PROPERTY_LIST).map(({ name, allowed, default: fallback, doc }) => ({
      name,
      allowed,
      default: fallback,
      doc,
    })),
  )
}

/** When the last event about the bucket came, where one came since the start. */
function lastEventOf(context: V1Context, bucketId: number): { readonly lastEvent?: string } {
  const lastMs = context.events?.lastEventMs(bucketId)
  return lastMs === undefined ? {} : { lastEvent: new Date(lastMs).toISOString() }
}

/** `GET /v1/forebay/log`: the last lines of the log, oldest first; secrets never were in it. */
export function answerLog(exchange: Exchange): void {
  exchange.authorise('admin')
  exchange.sendJson({ lines: exchange.context.recentLog?.() ?? [] })
}

/** `GET /metrics`: Prometheus text. */
export async function answerMetrics(exchange: Exchange): Promise<void> {
  if (!exchange.context.mayReadMetrics(exchange.raw)) exchange.authorise('admin')
  const text = await exchange.context.metrics()
  exchange.sendBytes(Buffer.from(text), 'text/plain; version=0.0.4; charset=utf-8')
}
