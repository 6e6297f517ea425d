import { formatBytes, parseBytes } from '@forebay/base/bytes'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '@forebay/base/duration'
import { Failure, isFailure } from '@forebay/base/failure'
import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import {
  type BucketProperties,
  FILL_WHOLE_NEVER,
  POLICY_KINDS,
  REVALIDATE_TTL_DEFAULT_MS,
  type Revalidate,
} from './bucket-properties.ts'

/** A property as users, `/v1` (sub-tree `forebay`) and the stored bucket table write it. */
export type WrittenProperty = string | boolean

/** One bucket property: how it is written, what it may be, what it is for. */
export interface Property<T = unknown> {
  /** As users write it; `staleIfError` is `staleIfErrorMs` in `BucketProperties`. */
  readonly name: string
  readonly field: keyof BucketProperties
  readonly type: 'duration' | 'size' | 'word' | 'boolean'
  /** Unit of the parsed value. */
  readonly unit: string
  readonly allowed: string
  /** In words: it may depend on the bucket. */
  readonly default: string
  readonly doc: string
  /** @throws Failure `property-invalid` */
  parse(written: unknown): T
  format(value: T): WrittenProperty
}

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

interface Named<F extends keyof BucketProperties> {
  readonly name: string
  readonly field: F
  readonly default: string
  readonly doc: string
}

function revalidateProperty(): Property<Revalidate> {
  const allowed = 'always, never, or "after" and a duration, such as "after 5m"'
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
      const match = typeof written === 'string' ? /^after\s+(\S+)$/.exec(written) : null
      if (match === null) throw bad('revalidate', written, allowed)
      const ttlMs = translate(allowed, 'revalidate', () => parseDuration(match[1] ?? ''))
      return Object.freeze({ kind: 'after', ttlMs })
    },
    format: (value) =>
      value.kind === 'after'
        ? `after ${writeNumber(value.ttlMs, formatDuration, DURATION_MAX_MS)}`
        : value.kind,
  }
}

/** One of a few words; the property has the name of its field. */
function wordProperty<W extends string>(
  name: 'cache' | 'policy',
  words: readonly W[],
  stated: { readonly default: W; readonly doc: string },
): Property<W> {
  const allowed = `one of ${words.join(', ')}`
  return {
    ...stated,
    name,
    field: name,
    type: 'word',
    unit: '',
    allowed,
    parse: (written) => {
      const word = words.find((known) => known === written)
      if (word === undefined) throw bad(name, written, allowed)
      return word
    },
    format: (value) => value,
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

function booleanProperty(named: Named<'syncWrites' | 'evictable'>): Property<boolean> {
  const allowed = 'true or false'
  return {
    ...named,
    type: 'boolean',
    unit: '',
    allowed,
    parse: (written) => {
      if (written === true || written === 'true') return true
      if (written === false || written === 'false') return false
      throw bad(named.name, written, allowed)
    },
    format: (value) => value,
  }
}

function durationProperty(named: Named<'staleIfErrorMs'>): Property<number> {
  const allowed = 'a duration such as 30s, 5m or 1h30m; 0 = never'
  return {
    ...named,
    type: 'duration',
    unit: 'milliseconds',
    allowed,
    parse: (written) => {
      if (written === 0) return 0
      if (typeof written !== 'string') throw bad(named.name, written, allowed)
      return translate(allowed, named.name, () => parseDuration(written))
    },
    format: (value) => writeNumber(value, formatDuration, DURATION_MAX_MS),
  }
}

function sizeProperty(
  named: Named<'blockBytes' | 'sparseThresholdBytes' | 'parallelThresholdBytes'>,
): Property<number> {
  const allowed = `a size such as 4MiB, at most ${formatBytes(OBJECT_BYTES_MAX)}`
  return {
    ...named,
    type: 'size',
    unit: 'bytes',
    allowed,
    parse: (written) => {
      if (typeof written !== 'string' && typeof written !== 'number') {
        throw bad(named.name, written, allowed)
      }
      const bytes = translate(allowed, named.name, () => parseBytes(written))
      if (bytes > OBJECT_BYTES_MAX) throw bad(named.name, written, allowed)
      return bytes
    },
    format: (value) => writeNumber(value, formatBytes, OBJECT_BYTES_MAX),
  }
}

/** A number that is no good is written as it is, so that `parse` refuses it. */
function writeNumber(value: number, format: (value: number) => string, max: number): string {
  return Number.isSafeInteger(value) && value >= 0 && value <= max ? format(value) : `${value}`
}

function translate<T>(allowed: string, name: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (!isFailure(error, 'argument-invalid')) throw error
    throw new Failure('property-invalid', `bucket property ${name}: ${error.message}`, {
      cause: error,
      hint: `allowed: ${allowed}`,
    })
  }
}

function bad(name: string, written: unknown, allowed: string): Failure {
  const shown =
    typeof written === 'object' ? typeof written : (JSON.stringify(written) ?? 'nothing')
  return new Failure(
    'property-invalid',
    `bucket property ${name} cannot be ${shown.slice(0, 100)}; allowed: ${allowed}`,
  )
}
