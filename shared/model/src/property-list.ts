import { formatBytes } from '@forebay/base/bytes'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '@forebay/base/duration'
import { Failure } from '@forebay/base/failure'
import {
  type BucketProperties,
  EVENT_TTL_DEFAULT_MS,
  FILL_WHOLE_NEVER,
  LIST_SOURCES,
  POLICY_KINDS,
  REVALIDATE_TTL_DEFAULT_MS,
  type Revalidate,
} from './bucket-properties.ts'
import {
  bad,
  booleanProperty,
  durationProperty,
  type Property,
  sizeProperty,
  translate,
  type WrittenProperty,
  wordProperty,
  writeNumber,
} from './property-kinds.ts'
import { SPACE_PROPERTIES } from './space-properties.ts'

/** Smallest and largest block of a sparse read, bytes. */
export const BLOCK_BYTES_MIN = 64 * 1024
export const BLOCK_BYTES_MAX = 64 * 1024 ** 2

const CACHE_MODES = ['read-write', 'read-only', 'bypass'] as const

/** The one list of bucket properties, by field; `BucketProperties` has the types. */
export const PROPERTY_LIST: {
  readonly [F in keyof BucketProperties]: Property<BucketProperties[F]>
} = {
  revalidate: revalidateProperty(),
  staleIfErrorMs: durationProperty({
    name: 'staleIfError',
    field: 'staleIfErrorMs',
    default: '0s',
    doc: 'How long, after it went stale, an object may be served while the backend cannot be asked.',
  }),
  cache: wordProperty('cache', CACHE_MODES, {
    default: 'read-write',
    doc: '`read-write` stores what it reads; `bypass` passes everything through; `read-only` refuses writes.',
  }),
  syncWrites: booleanProperty({
    name: 'syncWrites',
    field: 'syncWrites',
    default: 'true without a backend, false with one',
    doc: 'Bring data, journal and directory to disk before a write is acknowledged.',
  }),
  verifyWarm: booleanProperty({
    name: 'verifyWarm',
    field: 'verifyWarm',
    default: 'false',
    doc: 'Compare what is sent from the cache with its checksum, before its first byte leaves: each file is then read twice.',
  }),
  listFrom: wordProperty('listFrom', LIST_SOURCES, {
    default: 'store',
    doc: '`inventory`: lists come from the snapshot that a job of kind inventory keeps, while it is not too old; the store is asked otherwise.',
  }),
  blockBytes: blockProperty(),
  sparseThresholdBytes: sizeProperty({
    name: 'sparseThreshold',
    field: 'sparseThresholdBytes',
    default: '8MiB',
    doc: 'Above this size a range of an absent object is read as blocks, not as the whole object.',
  }),
  parallelThresholdBytes: sizeProperty({
    name: 'parallelThreshold',
    field: 'parallelThresholdBytes',
    default: '32MiB',
    doc: 'From this size on an object is fetched by several connections where that is faster.',
  }),
  fillWholePercent: fillWholeProperty(),
  policy: wordProperty('policy', POLICY_KINDS, {
    default: 'lru',
    doc: 'Which objects leave the cache first when room is needed; `epoch` is for training loops over more data than fits.',
  }),
  evictable: booleanProperty({
    name: 'evictable',
    field: 'evictable',
    default: 'true with a backend; always false without one',
    doc: 'Eviction may take objects of this bucket.',
  }),
  ...SPACE_PROPERTIES,
}

const PROPERTIES: readonly Property[] = Object.values(PROPERTY_LIST)

/**
 * The properties that a written object states; `null` for one means "back to the default" and comes
 * out as a field that is there and `undefined`.
 *
 * @throws Failure `property-invalid` at an unknown name or a bad value; then nothing was taken
 */
export function parseProperties(written: unknown): Partial<BucketProperties> {
  if (typeof written !== 'object' || written === null || Array.isArray(written)) {
    throw new Failure('property-invalid', 'bucket properties must be an object')
  }
  const entries = Object.entries(written).map(([name, value]: [string, unknown]) => {
    const property = PROPERTIES.find((known) => known.name === name)
    if (property === undefined) {
      const known = PROPERTIES.map((each) => each.name).join(', ')
      throw new Failure(
        'property-invalid',
        `bucket property "${name}" is not known; known are ${known}`,
      )
    }
    return [property.field, value === null ? undefined : property.parse(value)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

/** The written form of the properties that are stated; `parseProperties` reads it back. */
export function formatProperties(
  properties: Partial<BucketProperties>,
): Readonly<Record<string, WrittenProperty>> {
  return Object.fromEntries(
    PROPERTIES.filter(({ field }) => properties[field] !== undefined).map((property) => [
      property.name,
      property.format(properties[property.field]),
    ]),
  )
}

/**
 * Checks values that did not come through `parseProperties`.
 *
 * @throws Failure `property-invalid`
 */
export function checkProperties(properties: Partial<BucketProperties>): void {
  for (const property of PROPERTIES) {
    const value = properties[property.field]
    if (value !== undefined) property.parse(property.format(value))
  }
}

function revalidateProperty(): Property<Revalidate> {
  const allowed =
    'always, never, "after" and a duration, such as "after 5m", or "event", also with a duration, such as "event 24h"'
  return {
    name: 'revalidate',
    field: 'revalidate',
    type: 'word',
    unit: '',
    allowed,
    default: `after ${formatDuration(REVALIDATE_TTL_DEFAULT_MS)}`,
    doc: 'When an object of a bucket with a backend is checked against the backend again.',
    parse: (written) => {
      if (written === 'always' || written === 'never') return Object.freeze({ kind: written })
      if (written === 'event') return Object.freeze({ kind: 'event', ttlMs: EVENT_TTL_DEFAULT_MS })
      const match = typeof written === 'string' ? /^(after|event)\s+(\S+)$/.exec(written) : null
      if (match === null) throw bad('revalidate', written, allowed)
      const ttlMs = translate(allowed, 'revalidate', () => parseDuration(match[2] ?? ''))
      return Object.freeze({ kind: match[1] === 'event' ? 'event' : 'after', ttlMs })
    },
    format: (value) => {
      if (value.kind === 'always' || value.kind === 'never') return value.kind
      if (value.kind === 'event' && value.ttlMs === EVENT_TTL_DEFAULT_MS) return 'event'
      return `${value.kind} ${writeNumber(value.ttlMs, formatDuration, DURATION_MAX_MS)}`
    },
  }
}

function blockProperty(): Property<number> {
  const base = sizeProperty({
    name: 'blockSize',
    field: 'blockBytes',
    default: '4MiB',
    doc: 'Unit of sparse reads.',
  })
  const allowed = `a power of two, ${formatBytes(BLOCK_BYTES_MIN)}..${formatBytes(BLOCK_BYTES_MAX)}`
  return {
    ...base,
    allowed,
    parse: (written) => {
      const bytes = base.parse(written)
      const ok =
        bytes >= BLOCK_BYTES_MIN && bytes <= BLOCK_BYTES_MAX && Number.isInteger(Math.log2(bytes))
      if (!ok) throw bad(base.name, written, allowed)
      return bytes
    },
  }
}

function fillWholeProperty(): Property<number> {
  const allowed = 'never, or a share such as 50%, from 1% to 99%'
  return {
    name: 'fillWhole',
    field: 'fillWholePercent',
    type: 'word',
    unit: 'percent',
    allowed,
    default: 'never',
    doc: 'Share of a large object after which what was not read of it is fetched too, in the background.',
    parse: (written) => {
      if (written === 'never') return FILL_WHOLE_NEVER
      const match = typeof written === 'string' ? /^([1-9]\d?)%$/.exec(written) : null
      if (match === null) throw bad('fillWhole', written, allowed)
      return Number(match[1])
    },
    format: (value) => (value === FILL_WHOLE_NEVER ? 'never' : `${value}%`),
  }
}
