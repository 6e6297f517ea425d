import type { Pin } from '@forebay/model/version'
import type { Explanation, ReadRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { BlockMap } from './block-map.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { ageSeconds, freshForMs } from './freshness.ts'

/** What the cache knows about a key and what the next read would do; asks nobody. */
export function explainObject(context: ObjectContext, request: ReadRequest): Explanation {
  const { bucket, key } = request
  const record = context.store.get(bucket.id, key)
  const unsettled = context.unsettled.isUnsettled(bucket.id, key)
  const filling = context.fills.get(keyIdOf(bucket, key))
  const now = context.clock.now()
  const native = bucket.backend === undefined
  const freshMs =
    record === undefined
      ? 0
      : native
        ? Number.POSITIVE_INFINITY
        : freshForMs(record, context.propertiesOf(bucket), context.momentOf(bucket))
  const base = {
    unsettled,
    fresh: record !== undefined && !unsettled && freshMs > 0,
    sizeBytes: record?.attributes.sizeBytes ?? filling?.attributes.sizeBytes ?? 0,
    cachedBytes: filling?.cachedBytes ?? cachedBytesOf(record),
    reasons: reasonsOf({ record, unsettled, native, freshMs, filling: filling !== undefined }),
  }
  if (record === undefined) return { state: filling === undefined ? 'absent' : 'filling', ...base }
  return {
    state: record.blocks === undefined ? 'whole' : 'partial',
    ...base,
    mountpath: context.store.mountpathOf(record),
    path: record.location.path,
    etag: record.attributes.etag,
    pin: formatPin(record.pin),
    ageSeconds: native ? 0 : ageSeconds(record, now),
    freshForSeconds: Number.isFinite(freshMs) ? Math.floor(freshMs / 1000) : undefined,
  }
}

function cachedBytesOf(record: ObjectRecord | undefined): number {
  if (record === undefined) return 0
  const { attributes, blocks } = record
  if (blocks === undefined) return attributes.sizeBytes
  return new BlockMap(attributes.sizeBytes, blocks.blockBytes, blocks).presentBytes
}

function reasonsOf(facts: {
  readonly record: ObjectRecord | undefined
  readonly unsettled: boolean
  readonly native: boolean
  readonly freshMs: number
  readonly filling: boolean
}): readonly string[] {
  const { record, unsettled, native, freshMs, filling } = facts
  const reasons: string[] = []
  if (unsettled) {
    reasons.push(
      'A write or delete of this key ended without an answer from the backend: every read asks the backend first.',
    )
  }
  if (filling)
    reasons.push('The object is being fetched from the backend now; reads follow the growing file.')
  if (record === undefined) {
    reasons.push(
      native
        ? 'The bucket is native and has no object of this name.'
        : 'Nothing of the object is stored here: it was never read, was evicted, or changed at the backend.',
    )
    return reasons
  }
  if (native) reasons.push('The bucket is native: this is the object itself, not a copy.')
  else if (record.validatedMs === 0) {
    reasons.push(
      'The copy must be confirmed: after an unclean stop, or because an event or a listing of the backend told of another version.',
    )
  } else if (freshMs > 0)
    reasons.push('The copy is fresh: reads are served from here without asking the backend.')
  else
    reasons.push(
      'The copy is older than the bucket allows: the next read asks the backend whether it is current.',
    )
  if (record.damaged === true) {
    reasons.push(
      'Its bytes were found damaged: reads are refused until it is put again, deleted, or mended in place.',
    )
  }
  if (record.blocks !== undefined)
    reasons.push('Only some blocks are stored; a read of others fetches just those.')
  return reasons
}

function formatPin(pin: Pin): string {
  switch (pin.kind) {
    case 'version-id':
      return `version ${pin.versionId}`
    case 'generation':
      return `generation ${pin.generation}`
    case 'etag':
      return `etag ${pin.etag}`
    case 'last-modified':
      return `last modified ${new Date(pin.lastModifiedMs).toISOString()}`
    case 'none':
      return 'none'
    default:
      return pin satisfies never
  }
}
