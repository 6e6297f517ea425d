import { formatBytes, parseBytes } from '@forebay/base/bytes'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '@forebay/base/duration'
import { Failure } from '@forebay/base/failure'
import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import type { BackendBinding } from './bucket.ts'
import {
  ADMIT_KINDS,
  type BucketProperties,
  type PinnedPrefix,
  type PrefixTtl,
  QUOTA_MARKS_DEFAULT,
  QUOTA_NONE,
  type QuotaMarks,
} from './bucket-properties.ts'
import type { PrefixRule } from './prefix-rules.ts'
import {
  bad,
  type Property,
  sizeProperty,
  translate,
  wordProperty,
  writeNumber,
} from './property-kinds.ts'

/** Prefixes that a list of one bucket may have. */
export const PREFIXES_MAX = 32

/** UTF-8 of all prefixes of a list: AIStore's clients read them in one header, of 16 KiB at most. */
export const PREFIXES_BYTES_MAX = 2048

/** The shortest time to live: stored times are whole seconds. */
export const TTL_MIN_MS = 1000

type SpaceField =
  | 'quotaBytes'
  | 'quotaMarks'
  | 'pins'
  | 'ttls'
  | 'admit'
  | 'admitMinBytes'
  | 'admitMaxBytes'

/** The properties by which a bucket keeps its space under control. */
export const SPACE_PROPERTIES: { readonly [F in SpaceField]: Property<BucketProperties[F]> } = {
  quotaBytes: quotaProperty(),
  quotaMarks: marksProperty(),
  pins: pinsProperty(),
  ttls: ttlProperty(),
  admit: wordProperty('admit', ADMIT_KINDS, {
    default: 'always',
    doc: 'Whether an object is kept when it is read for the first time, or only when it is asked for again.',
  }),
  admitMinBytes: sizeProperty({
    name: 'admitMin',
    field: 'admitMinBytes',
    default: '0',
    doc: 'Smaller objects are passed through and not kept.',
  }),
  admitMaxBytes: sizeProperty({
    name: 'admitMax',
    field: 'admitMaxBytes',
    default: formatBytes(OBJECT_BYTES_MAX),
    doc: 'Larger objects are passed through and not kept.',
  }),
}

/**
 * Checks what only a bucket with a backend can have.
 *
 * @throws Failure `property-invalid`
 */
export function checkForBackend(
  backend: BackendBinding | undefined,
  { ttls }: Partial<BucketProperties>,
): void {
  if (backend !== undefined || ttls === undefined || ttls.length === 0) return
  throw new Failure('property-invalid', 'a bucket without a backend cannot have a ttl', {
    hint: 'ttl drops copies, and the objects of this bucket have no other copy: delete them instead.',
  })
}

function quotaProperty(): Property<number> {
  const allowed = 'none, or a size such as 500GiB, 1 at least'
  return {
    name: 'quota',
    field: 'quotaBytes',
    type: 'size',
    unit: 'bytes',
    allowed,
    default: 'none',
    doc: 'Bytes on disk that the bucket may take on a node; its own objects make way for new ones.',
    parse: (written) => {
      if (written === 'none') return QUOTA_NONE
      if (typeof written !== 'string' && typeof written !== 'number') {
        throw bad('quota', written, allowed)
      }
      const bytes = translate(allowed, 'quota', () => parseBytes(written))
      if (bytes === 0) throw bad('quota', written, allowed)
      return bytes
    },
    format: (value) =>
      value === QUOTA_NONE ? 'none' : writeNumber(value, formatBytes, Number.MAX_SAFE_INTEGER),
  }
}

function marksProperty(): Property<QuotaMarks> {
  const allowed = 'two shares of the quota such as 80%..95%, the first one smaller, 100% at most'
  return {
    name: 'quotaMarks',
    field: 'quotaMarks',
    type: 'word',
    unit: 'percent',
    allowed,
    default: formatMarks(QUOTA_MARKS_DEFAULT),
    doc: 'Above the second share of the quota the bucket gives up objects, until it is at the first.',
    parse: (written) => {
      const match = typeof written === 'string' ? /^(\d{1,3})%\.\.(\d{1,3})%$/.exec(written) : null
      const lowPercent = Number(match?.[1])
      const highPercent = Number(match?.[2])
      if (match === null || lowPercent >= highPercent || highPercent > 100) {
        throw bad('quotaMarks', written, allowed)
      }
      return Object.freeze({ lowPercent, highPercent })
    },
    format: formatMarks,
  }
}

function formatMarks({ lowPercent, highPercent }: QuotaMarks): string {
  return `${lowPercent}%..${highPercent}%`
}

function pinsProperty(): Property<readonly PinnedPrefix[]> {
  const allowed = `none, or up to ${PREFIXES_MAX} of {"prefix": TEXT, "until": TIME}, without "until" for ever`
  return {
    name: 'pins',
    field: 'pins',
    type: 'list',
    unit: '',
    allowed,
    default: 'none',
    doc: 'Prefixes whose objects are never evicted, for ever or until a time; "forebay pin" changes them.',
    parse: (written) =>
      parseRules(written, { name: 'pins', allowed }, ({ prefix, until, ...more }) => {
        if (Object.keys(more).length > 0) throw bad('pins', more, allowed)
        if (until === undefined) return { prefix: checkPrefix('pins', prefix, allowed) }
        const untilMs = typeof until === 'string' ? parseTime(until) : undefined
        if (untilMs === undefined) throw bad('pins', until, allowed)
        return { prefix: checkPrefix('pins', prefix, allowed), untilMs }
      }),
    format: (pins) => (pins.length === 0 ? 'none' : pins.map(writePin)),
  }
}

function writePin({ prefix, untilMs }: PinnedPrefix): Readonly<Record<string, string>> {
  return untilMs === undefined ? { prefix } : { prefix, until: writeTime(untilMs) }
}

function ttlProperty(): Property<readonly PrefixTtl[]> {
  const allowed = `none, a duration from 1s on such as 7d, or up to ${PREFIXES_MAX} of {"prefix": TEXT, "ttl": DURATION}`
  const parseTtl = (written: unknown): number => {
    if (typeof written !== 'string') throw bad('ttl', written, allowed)
    const ttlMs = translate(allowed, 'ttl', () => parseDuration(written))
    if (ttlMs < TTL_MIN_MS) throw bad('ttl', written, allowed)
    return ttlMs
  }
  return {
    name: 'ttl',
    field: 'ttls',
    type: 'list',
    unit: 'milliseconds',
    allowed,
    default: 'none',
    doc: 'How long a copy is kept after it was stored; the longest prefix decides. Only with a backend, which keeps its object.',
    parse: (written) => {
      const isDuration = typeof written === 'string' && written !== 'none' && !isJsonList(written)
      if (isDuration)
        return Object.freeze([Object.freeze({ prefix: '', ttlMs: parseTtl(written) })])
      return parseRules(written, { name: 'ttl', allowed }, ({ prefix, ttl, ...more }) => {
        if (Object.keys(more).length > 0) throw bad('ttl', more, allowed)
        return { prefix: checkPrefix('ttl', prefix, allowed), ttlMs: parseTtl(ttl) }
      })
    },
    format: (rules) => {
      const [first] = rules
      if (first === undefined) return 'none'
      if (rules.length === 1 && first.prefix === '') return writeTtl(first.ttlMs)
      return rules.map(({ prefix, ttlMs }) => ({ prefix, ttl: writeTtl(ttlMs) }))
    },
  }
}

/** A list as JSON, or as text of JSON from a command line. */
function parseRules<R extends PrefixRule>(
  written: unknown,
  { name, allowed }: { readonly name: string; readonly allowed: string },
  parseRule: (rule: Readonly<Record<string, unknown>>) => R,
): readonly R[] {
  if (written === 'none') return Object.freeze([])
  const list = typeof written === 'string' ? readJson(written) : written
  if (!Array.isArray(list) || list.length > PREFIXES_MAX) throw bad(name, written, allowed)
  const rules = list.map((rule: unknown) => {
    if (typeof rule !== 'object' || rule === null || Array.isArray(rule)) {
      throw bad(name, rule, allowed)
    }
    return Object.freeze(parseRule({ ...rule }))
  })
  const prefixes = new Set(rules.map(({ prefix }) => prefix))
  const bytes = [...prefixes].reduce((sum, prefix) => sum + Buffer.byteLength(prefix), 0)
  if (prefixes.size < rules.length) {
    throw new Failure('property-invalid', `bucket property ${name}: a prefix is there twice`)
  }
  if (bytes > PREFIXES_BYTES_MAX) {
    throw new Failure(
      'property-invalid',
      `bucket property ${name}: its prefixes are longer than ${PREFIXES_BYTES_MAX} bytes together`,
    )
  }
  return Object.freeze(rules)
}

function isJsonList(text: string): boolean {
  return text.startsWith('[')
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // No JSON, so no list: the caller says what is allowed.
    return undefined
  }
}

/** What keys can begin with; `''` is the whole bucket. */
function checkPrefix(name: string, prefix: unknown, allowed: string): string {
  if (typeof prefix !== 'string' || prefix.includes('\0') || !prefix.isWellFormed()) {
    throw bad(name, prefix, allowed)
  }
  return prefix
}

/** Milliseconds since 1970 of a date or a time in the form of ISO 8601, UTC where it states no zone. */
function parseTime(text: string): number | undefined {
  const match = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)?)?$/.exec(text)
  if (match === null) return undefined
  const time = Date.parse(match[1] === undefined || match[4] !== undefined ? text : `${text}Z`)
  return Number.isNaN(time) ? undefined : time
}

/** A time that is no good is written as it is, so that `parse` refuses it. */
function writeTime(ms: number): string {
  const time = new Date(ms)
  return Number.isNaN(time.getTime()) ? `${ms}` : time.toISOString()
}

function writeTtl(ms: number): string {
  return writeNumber(ms, formatDuration, DURATION_MAX_MS)
}
