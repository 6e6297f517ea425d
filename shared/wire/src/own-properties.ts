import { formatBytes, parseBytes } from '@forebay/base/bytes'
import { formatDuration, parseDuration } from '@forebay/base/duration'
import { Failure } from '@forebay/base/failure'
import type { BucketProperties, CacheMode, Revalidate } from '@forebay/model/bucket-properties'
import type { Fields } from './fields.ts'
import type { JsonObject } from './json.ts'

/** Limits of `block_size`, bytes; a power of two between them. */
export const BLOCK_BYTES_MIN = 64 * 1024
export const BLOCK_BYTES_MAX = 64 * 1024 ** 2

/** Our own bucket properties as the sub-tree `forebay` of a bucket's properties names them. */
export const OWN_PROPERTIES = [
  {
    name: 'revalidate',
    values: 'after DURATION | always | never',
    doc: 'when a cached object is checked against the backend again',
  },
  {
    name: 'stale_if_error',
    values: 'DURATION',
    doc: 'how long a stale object may be served while the backend cannot be asked',
  },
  {
    name: 'cache',
    values: 'read-write | read-only | bypass',
    doc: 'read-only refuses writes; bypass stores nothing',
  },
  {
    name: 'sync_writes',
    values: 'true | false',
    doc: 'sync to disk before a write is acknowledged',
  },
  {
    name: 'block_size',
    values: 'SIZE, a power of two, 64KiB..64MiB',
    doc: 'unit in which ranges of large absent objects are fetched',
  },
  {
    name: 'sparse_threshold',
    values: 'SIZE',
    doc: 'objects above this size are fetched block by block for a range',
  },
  {
    name: 'evictable',
    values: 'true | false',
    doc: 'objects may be evicted; native buckets are never evicted',
  },
] as const

/** Writes every property, resolved. */
export function encodeOwnProperties(properties: BucketProperties): JsonObject {
  return {
    revalidate: formatRevalidate(properties.revalidate),
    stale_if_error: formatDuration(properties.staleIfErrorMs),
    cache: properties.cache,
    sync_writes: properties.syncWrites,
    block_size: formatBytes(properties.blockBytes),
    sparse_threshold: formatBytes(properties.sparseThresholdBytes),
    evictable: properties.evictable,
  }
}

/** Fields of the sub-tree that are no properties but belong to the bucket's row. */
export const OWN_ROW_FIELDS: readonly string[] = ['aliases', 'backend']

/**
 * Reads the sub-tree; only what is present. Unlike in AIStore's own tree an unknown name is refused.
 *
 * @throws Failure `property-invalid` | `argument-invalid`
 */
export function decodeOwnProperties(fields: Fields): Partial<BucketProperties> {
  const known: readonly string[] = [...OWN_PROPERTIES.map(({ name }) => name), ...OWN_ROW_FIELDS]
  for (const name of fields.names()) {
    if (!known.includes(name)) {
      throw invalid(`${fields.pathOf(name)} is no property; there are: ${known.join(', ')}`)
    }
  }
  const revalidate = fields.text('revalidate')
  const staleIfError = fields.text('stale_if_error')
  const cache = fields.text('cache')
  const syncWrites = fields.flag('sync_writes')
  const block = sizeOf(fields, 'block_size')
  const threshold = sizeOf(fields, 'sparse_threshold')
  const evictable = fields.flag('evictable')
  return {
    ...(revalidate === undefined ? {} : { revalidate: parseRevalidate(revalidate) }),
    ...(staleIfError === undefined ? {} : { staleIfErrorMs: parseDuration(staleIfError) }),
    ...(cache === undefined ? {} : { cache: parseCacheMode(cache) }),
    ...(syncWrites === undefined ? {} : { syncWrites }),
    ...(block === undefined ? {} : { blockBytes: checkBlockBytes(block) }),
    ...(threshold === undefined ? {} : { sparseThresholdBytes: threshold }),
    ...(evictable === undefined ? {} : { evictable }),
  }
}

/** `after 5m`, `always` or `never`. */
export function formatRevalidate(revalidate: Revalidate): string {
  return revalidate.kind === 'after' ? `after ${formatDuration(revalidate.ttlMs)}` : revalidate.kind
}

/** @throws Failure `property-invalid` | `argument-invalid` */
export function parseRevalidate(text: string): Revalidate {
  if (text === 'always' || text === 'never') return { kind: text }
  const match = /^after\s+(\S+)$/.exec(text)
  if (match?.[1] === undefined) {
    throw invalid(`revalidate "${text.slice(0, 40)}" must be "after DURATION", always or never`)
  }
  return { kind: 'after', ttlMs: parseDuration(match[1]) }
}

function parseCacheMode(text: string): CacheMode {
  if (text === 'read-write' || text === 'read-only' || text === 'bypass') return text
  throw invalid(`cache "${text.slice(0, 40)}" must be read-write, read-only or bypass`)
}

/** A size as text with a unit or as a number of bytes. */
function sizeOf(fields: Fields, name: string): number | undefined {
  const value = fields.json(name)
  if (value === undefined) return undefined
  if (typeof value === 'string' || typeof value === 'number') return parseBytes(value)
  throw invalid(`${fields.pathOf(name)} must be a size`)
}

function checkBlockBytes(bytes: number): number {
  const isPowerOfTwo = Number.isInteger(Math.log2(bytes))
  if (bytes < BLOCK_BYTES_MIN || bytes > BLOCK_BYTES_MAX || !isPowerOfTwo) {
    throw invalid('block_size must be a power of two from 64KiB to 64MiB')
  }
  return bytes
}

function invalid(message: string): Failure {
  return new Failure('property-invalid', message)
}
