import { Failure } from '@forebay/base/failure'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { BackendBinding, BucketRecord } from '@forebay/model/bucket'
import type { BucketProperties } from '@forebay/model/bucket-properties'
import { checkForBackend } from '@forebay/model/space-properties'
import { RESERVED_SEGMENTS } from '@forebay/s3/request-target'
import { type ActionMessage, parseQueryFlag, valueFields } from '@forebay/wire/action'
import { asciiJson } from '@forebay/wire/ascii-json'
import { encodeBucket, parseNamespace, parseProvider } from '@forebay/wire/bucket'
import { decodeBucketChange } from '@forebay/wire/bucket-change'
import { encodeBucketProperties } from '@forebay/wire/bucket-properties'
import { openBucket, openKnownBucket, refOf, wantedBucket } from './address.ts'
import type { Exchange } from './exchange.ts'
import { evictObjects } from './job-actions.ts'

/** `GET /v1/buckets`: the buckets of the table that the caller may read. */
export function listBuckets(exchange: Exchange, message: ActionMessage | undefined): void {
  const { context, query } = exchange
  const provider = query.get('provider')
  // Here, unlike in front of a bucket, an empty provider means all (AIStore's clients send it).
  const wanted = provider === undefined || provider === '' ? undefined : parseProvider(provider)
  const namespaceText = query.get('namespace')
  const namespace = namespaceText === undefined ? undefined : parseNamespace(namespaceText)
  const name = message?.name ?? ''
  const found = context.buckets
    .list()
    .filter(
      ({ ref }) =>
        (wanted === undefined || ref.provider === wanted) &&
        (name === '' || ref.name === name) &&
        (namespace === undefined ||
          (ref.namespace.uuid === namespace.uuid && ref.namespace.name === namespace.name)) &&
        context.allows(exchange.raw, 'list', ref.name),
    )
  exchange.sendJson(found.map(({ ref }) => encodeBucket(ref)))
}

/** `HEAD /v1/buckets/{bucket}`: the properties, in a header. */
export async function headBucket(exchange: Exchange, rawName: string): Promise<void> {
  const known = parseQueryFlag(exchange.query.get('dont_add_remote_bck_md'))
  const record = known
    ? await openKnownBucket(exchange, rawName, 'read')
    : await openBucket(exchange, rawName, 'read')
  exchange.sendHead(200, {
    'Content-Length': '0',
    'Ais-Bucket-Props': asciiJson(encodeBucketProperties(record)),
  })
}

/** `POST /v1/buckets/{bucket}` with `create-bck`: a native bucket, or one that stands for a backend's. */
export async function createBucket(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage,
): Promise<void> {
  const wanted = wantedBucket(exchange, rawName)
  exchange.authorise('admin', wanted.name)
  if (RESERVED_SEGMENTS.has(wanted.name)) {
    throw new Failure('bucket-name-invalid', `the name "${wanted.name}" is reserved`)
  }
  const ref = refOf(wanted)
  const change = decodeBucketChange(valueFields(message))
  const backend = bindingFor(ref.provider, ref.name, change.backend)
  checkForBackend(backend, change.properties)
  const { buckets } = exchange.context
  if (buckets.find(ref) !== undefined) {
    throw new Failure('bucket-exists', `bucket "${ref.name}" already exists`)
  }
  if (backend !== undefined && !parseQueryFlag(exchange.query.get('dont_head_remote_bck'))) {
    await exchange.context.checkBackend(backend, exchange.signal)
  }
  await buckets.create(ref, { backend, aliases: change.aliases, properties: change.properties })
  exchange.sendEmpty(200)
}

/** `PATCH /v1/buckets/{bucket}` with `set-bprops`. */
export async function setProperties(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage,
): Promise<void> {
  const record = await openKnownBucket(exchange, rawName, 'admin')
  const change = decodeBucketChange(valueFields(message))
  if (change.backend !== undefined) refuseOtherBackend(record, change.backend)
  checkForBackend(record.backend, change.properties)
  await exchange.context.buckets.update(record.id, {
    aliases: change.aliases,
    properties: change.properties,
  })
  exchange.sendEmpty(200)
}

/** `PATCH /v1/buckets/{bucket}` with `reset-bprops`: every property goes back to its default. */
export async function resetProperties(exchange: Exchange, rawName: string): Promise<void> {
  const record = await openKnownBucket(exchange, rawName, 'admin')
  const reset: Partial<BucketProperties> = Object.fromEntries(
    Object.keys(record.properties).map((name) => [name, undefined]),
  )
  await exchange.context.buckets.update(record.id, { properties: reset })
  exchange.sendEmpty(200)
}

/** `DELETE /v1/buckets/{bucket}` with `destroy-bck`: a native bucket and every object in it. */
export async function destroyBucket(exchange: Exchange, rawName: string): Promise<void> {
  const record = await openKnownBucket(exchange, rawName, 'admin')
  if (record.backend !== undefined) {
    throw new Failure('bad-request', 'a bucket of a backend is not destroyed, only forgotten', {
      hint: 'Send evict-remote-bck: it drops the cached copies and leaves the backend alone.',
    })
  }
  await forget(exchange, exchange.context.buckets, record)
}

/** `DELETE /v1/buckets/{bucket}` with `evict-remote-bck`: its cached copies; the backend keeps all. */
export async function evictBucket(exchange: Exchange, rawName: string): Promise<void> {
  const record = await openKnownBucket(exchange, rawName, 'admin')
  if (record.backend === undefined) {
    throw new Failure('bucket-not-remote', `bucket "${record.ref.name}" has no backend`)
  }
  if (parseQueryFlag(exchange.query.get('keep_bck_md'))) {
    return evictObjects(exchange, record)
  }
  await forget(exchange, exchange.context.buckets, record)
}

/** The row goes first: from then on no request can reach the objects that are dropped. */
async function forget(
  exchange: Exchange,
  buckets: BucketTable,
  record: BucketRecord,
): Promise<void> {
  if (!(await buckets.destroy(record.id))) {
    throw new Failure('bucket-not-found', `bucket "${record.ref.name}" does not exist`)
  }
  await exchange.context.target.dropBucket(record)
  exchange.sendEmpty(200)
}

/** The backend bucket of a new bucket: its own name for a cloud's, what was stated for a native one. */
function bindingFor(
  provider: BucketRecord['ref']['provider'],
  name: string,
  stated: Partial<BackendBinding> | undefined,
): BackendBinding | undefined {
  if (provider !== 'ais') {
    if (stated?.provider === undefined || stated.provider === provider) {
      return { provider, bucket: name, ...stated }
    }
    throw new Failure(
      'property-invalid',
      `a bucket of provider ${provider} cannot have a backend of provider ${stated.provider}`,
    )
  }
  if (stated === undefined) return undefined
  if (stated.bucket === undefined) {
    throw new Failure('property-invalid', 'a backend needs backend_bck with the name of its bucket')
  }
  return { provider: 'aws', ...stated, bucket: stated.bucket }
}

/** A repeated statement of the present backend is fine: clients send back what they read. */
function refuseOtherBackend(record: BucketRecord, stated: Partial<BackendBinding>): void {
  const { backend } = record
  const same =
    backend !== undefined &&
    Object.entries(stated).every(
      ([name, value]) => new Map<string, unknown>(Object.entries(backend)).get(name) === value,
    )
  if (same) return
  throw new Failure('property-invalid', 'the backend of a bucket cannot be changed afterwards', {
    hint: 'Remove the bucket (the backend keeps its objects) and add it again.',
  })
}
