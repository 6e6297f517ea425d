import { formatBytes, parseBytes } from '@forebay/base/bytes'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '@forebay/base/duration'
import { Failure, isFailure } from '@forebay/base/failure'
import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import type { BucketProperties } from './bucket-properties.ts'

/** A property as users, `/v1` (sub-tree `forebay`) and the stored bucket table write it. */
export type WrittenProperty = string | boolean | readonly Readonly<Record<string, string>>[]

/** One bucket property: how it is written, what it may be, what it is for. */
export interface Property<T = unknown> {
  /** As users write it; `staleIfError` is `staleIfErrorMs` in `BucketProperties`. */
  readonly name: string
  readonly field: keyof BucketProperties
  readonly type: 'duration' | 'size' | 'word' | 'boolean' | 'list'
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

export interface Named<F extends keyof BucketProperties> {
  readonly name: string
  readonly field: F
  readonly default: string
  readonly doc: string
}

type SizeField =
  | 'blockBytes'
  | 'sparseThresholdBytes'
  | 'parallelThresholdBytes'
  | 'admitMinBytes'
  | 'admitMaxBytes'

/** One of a few words; the property has the name of its field. */
export function wordProperty<W extends string>(
  name: 'cache' | 'policy' | 'admit' | 'listFrom',
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

export function booleanProperty(
  named: Named<'syncWrites' | 'verifyWarm' | 'evictable'>,
): Property<boolean> {
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

export function durationProperty(named: Named<'staleIfErrorMs'>): Property<number> {
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

export function sizeProperty(named: Named<SizeField>): Property<number> {
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
export function writeNumber(value: number, format: (value: number) => string, max: number): string {
  return Number.isSafeInteger(value) && value >= 0 && value <= max ? format(value) : `${value}`
}

export function translate<T>(allowed: string, name: string, parse: () => T): T {
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

export function bad(name: string, written: unknown, allowed: string): Failure {
  const shown =
    typeof written === 'object' ? typeof written : (JSON.stringify(written) ?? 'nothing')
  return new Failure(
    'property-invalid',
    `bucket property ${name} cannot be ${shown.slice(0, 100)}; allowed: ${allowed}`,
  )
}
