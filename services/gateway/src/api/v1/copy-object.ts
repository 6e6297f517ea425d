import { Failure } from '@forebay/base/failure'
import { checkKey } from '@forebay/model/key'
import { parseConditions } from '@forebay/s3/conditions'
import { parseQueryFlag } from '@forebay/wire/action'
import { parseUname } from '@forebay/wire/bucket'
import { encodeWriteHeaders } from '@forebay/wire/object-headers'
import { objectKey, openBucket, type RawAddress } from './address.ts'
import type { Exchange } from './exchange.ts'

/**
 * `PUT /v1/objects/{bucket}/{object}?object_to=`: copies the object to another key, here or in another
 * bucket, and answers when it is there. With `latest-ver` the store is asked about the source first.
 */
export async function copyObject(exchange: Exchange, address: RawAddress): Promise<void> {
  const { context, query, raw, signal } = exchange
  const { ref, key: rawTo } = parseUname(query.get('object_to') ?? '')
  if (rawTo === '') throw new Failure('argument-invalid', 'object_to names no object')
  const to = checkKey(rawTo)
  const key = objectKey(exchange, address.key)
  exchange.bucket = ref
  const bucket = await context.resolveBucket({ ...ref, lookUp: true, need: 'write' }, raw, signal)
  const source = { bucket: await openBucket(exchange, address.bucket, 'read'), key }
  if (source.bucket.id === bucket.id && to === key) {
    throw new Failure('argument-invalid', 'an object is not copied onto itself')
  }
  const latest = parseQueryFlag(query.get('latest-ver')) || parseQueryFlag(query.get('synchronize'))
  const head = await context.target.head({ ...source, conditions: {}, latest, signal })
  const { attributes } = await context.target.copy({
    ...{ bucket, key: to, source, conditions: {}, signal },
    sourceConditions: parseConditions(raw.headers),
    sourceSizeBytes: head.kind === 'found' ? head.attributes.sizeBytes : undefined,
  })
  const object = { ref: bucket.ref, key: to, attributes }
  exchange.sendEmpty(200, encodeWriteHeaders(object, attributes.lastModifiedMs))
}
