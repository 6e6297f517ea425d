import { BYTE_UNITS_TEXT, formatBytes, parseBytes } from '@forebay/base/bytes'
import { DURATION_MAX_MS, formatDuration, parseDuration } from '@forebay/base/duration'
import { isFailure } from '@forebay/base/failure'

/** A value that a setting does not take; `message` says why, without naming the setting. */
export class BadValue extends Error {
  /** Where in the value, for lists of objects: `[0].port`; empty for the value itself. */
  readonly at: string
  /** What is allowed there, where that is not the setting itself. */
  readonly allowed: string | undefined

  constructor(message: string, at = '', allowed?: string) {
    super(message)
    this.name = 'BadValue'
    this.at = at
    this.allowed = allowed
  }
}

/**
 * One setting: what it takes, how it is read and written, what it is for.
 *
 * `Suffix` is appended to the key in `Settings`, so that a number there tells its unit:
 * `http.idleTimeout: 60s` in a file is `settings.http.idleTimeoutMs === 60000` in the program.
 */
export interface Setting<T, Suffix extends string = ''> {
  readonly kind: 'setting'
  readonly type: string
  /** Unit of the parsed value; empty for counts and words. */
  readonly unit: string
  readonly suffix: Suffix
  /** What is allowed, for error messages and the reference. */
  readonly allowed: string
  /** As parsed. */
  readonly default: T
  /** What the default is, where it is found out at start. */
  readonly defaultDoc?: string | undefined
  readonly doc: string
  /** The fields of an object or of the objects in a list. */
  readonly fields?: SettingGroup | undefined
  /** Values may have secrets in them: they are not shown in messages. */
  readonly holdsSecret: boolean
  /** The secrets in a value: never printed, and to be kept out of logs. */
  secrets(value: T): readonly string[]
  /** The value of a variable or flag, as a file would have it. */
  fromText(text: string): unknown
  /** @throws BadValue */
  parse(value: unknown): T
  /** The value as a file would have it; secrets inside are redacted. */
  format(value: T): unknown
}

export type AnySetting = Setting<unknown, string>
export interface SettingGroup {
  readonly [key: string]: AnySetting | SettingGroup
}

type ValueOf<S> =
  S extends Setting<infer T, string> ? T : S extends SettingGroup ? SettingsOf<S> : never
type NameOf<K, S> = S extends Setting<unknown, infer Suffix> ? `${K & string}${Suffix}` : K

/** The type of the settings that a schema describes. */
export type SettingsOf<G> = { readonly [K in keyof G as NameOf<K, G[K]>]: ValueOf<G[K]> }

interface Common {
  readonly doc: string
  readonly defaultDoc?: string
}

/** Turns a setting into one that may be absent. */
export function optional<T, S extends string>(
  setting: Setting<T, S>,
  defaultDoc = 'not set',
): Setting<T | undefined, S> {
  return {
    ...setting,
    default: undefined,
    defaultDoc,
    format: (value) => (value === undefined ? undefined : setting.format(value)),
    secrets: (value) => (value === undefined ? [] : setting.secrets(value)),
  }
}

/** A non-empty line of text. */
export function text(
  options: Common & {
    readonly default?: string
    readonly pattern?: RegExp
    readonly allowed?: string
    readonly secret?: boolean
  },
): Setting<string> {
  const allowed = options.allowed ?? 'a non-empty line of text'
  const secret = options.secret ?? false
  return {
    ...blank('text', options),
    allowed,
    default: options.default ?? '',
    holdsSecret: secret,
    secrets: (value) => (secret && value !== '' ? [value] : []),
    parse: (value) => {
      if (typeof value !== 'string') throw new BadValue('it is not text')
      if (value === '') throw new BadValue('it is empty')
      if (/[\r\n\0]/.test(value)) throw new BadValue('it has a line break or NUL in it')
      if (options.pattern !== undefined && !options.pattern.test(value)) {
        throw new BadValue('it has another form')
      }
      return value
    },
    format: (value) => (secret && value !== '' ? REDACTED : value),
  }
}

/** What stands in place of a secret in everything that is printed. */
export const REDACTED = '(secret)'

/** A path of a file or directory. */
export function path(options: Common & { readonly default?: string }): Setting<string> {
  const base = text(options)
  return {
    ...base,
    type: 'path',
    allowed: 'a path',
    parse: (value) => {
      const written = base.parse(value)
      // No shell expands it here, and a directory named "~" is never what was meant.
      if (written === '~' || written.startsWith('~/')) {
        throw new BadValue('"~" is not expanded; write the whole path')
      }
      return written
    },
  }
}

/** An http or https URL without credentials, query and fragment. */
export function url(options: Common): Setting<string> {
  return {
    ...text(options),
    type: 'url',
    allowed: 'an http:// or https:// URL without user, query and fragment',
    parse: (value) => {
      const parsed = typeof value === 'string' ? URL.parse(value) : null
      if (parsed === null) throw new BadValue('it is not a URL')
      if (parsed.protocol !== 'http:' && parsed.protocol !== 'https:') {
        throw new BadValue('its scheme is neither http nor https')
      }
      if (parsed.username !== '' || parsed.password !== '') {
        throw new BadValue('it has credentials in it')
      }
      if (parsed.search !== '' || parsed.hash !== '') {
        throw new BadValue('it has a query or a fragment')
      }
      return parsed.href.replace(/\/$/, '')
    },
  }
}

export function boolean(options: Common & { readonly default: boolean }): Setting<boolean> {
  return {
    ...blank('boolean', options),
    allowed: 'true or false',
    default: options.default,
    fromText: (written) => (written === 'true' ? true : written === 'false' ? false : written),
    parse: (value) => {
      if (typeof value !== 'boolean') throw new BadValue('it is neither true nor false')
      return value
    },
    format: (value) => value,
  }
}

/** One of a few words. */
export function word<const W extends string>(
  options: Common & { readonly words: readonly W[]; readonly default: NoInfer<W> },
): Setting<W> {
  const { words } = options
  return {
    ...blank('word', options),
    allowed: `one of ${words.join(', ')}`,
    default: options.default,
    parse: (value) => {
      const found = words.find((known) => known === value)
      if (found === undefined) throw new BadValue('it is none of the words')
      return found
    },
    format: (value) => value,
  }
}

interface Bounds {
  readonly min: number
  readonly max: number
}

/** A whole number without a unit. */
export function count(options: Common & Bounds & { readonly default: number }): Setting<number> {
  return { ...number({ ...options, whole: true }), type: 'count' }
}

/** A number, 0..100, of a hundred. */
export function percent(
  options: Common & Bounds & { readonly default: number },
): Setting<number, 'Percent'> {
  return { ...number(options), type: 'percent', unit: 'percent', suffix: 'Percent' }
}

/** A number that may have a fraction. */
export function number(
  options: Common & Bounds & { readonly default: number; readonly whole?: boolean },
): Setting<number> {
  const { min, max, whole = false } = options
  return {
    ...blank('number', options),
    allowed: `a ${whole ? 'whole ' : ''}number, ${min}..${max}`,
    default: options.default,
    fromText: (written) => (/^-?\d+(\.\d+)?$/.test(written) ? Number(written) : written),
    parse: (value) => {
      if (typeof value !== 'number') throw new BadValue('it is not a number')
      if (!Number.isFinite(value)) throw new BadValue('it is not a finite number')
      if (whole && !Number.isInteger(value)) throw new BadValue('it is not a whole number')
      if (value < min || value > max) throw new BadValue('it is out of range')
      return value
    },
    format: (value) => value,
  }
}

/** A size; `default`, `min` and `max` in bytes. */
export function bytes(
  options: Common & Partial<Bounds> & { readonly default: number },
): Setting<number, 'Bytes'> {
  const { min = 0, max = Number.MAX_SAFE_INTEGER } = options
  const range =
    max === Number.MAX_SAFE_INTEGER
      ? `from ${formatBytes(min)}`
      : `${formatBytes(min)}..${formatBytes(max)}`
  return {
    ...blank('size', options),
    unit: 'bytes',
    suffix: 'Bytes',
    allowed: `a size such as 4MiB, ${range}; units: ${BYTE_UNITS_TEXT}`,
    default: options.default,
    parse: (value) => {
      if (typeof value !== 'string' && typeof value !== 'number') {
        throw new BadValue('it is not a size')
      }
      return within(
        translate(() => parseBytes(value)),
        { min, max },
      )
    },
    format: (value) => formatBytes(value),
  }
}

/** Bytes in a second; 0 where the document says "no cap". */
export function byteRate(options: Common & { readonly default: number }): Setting<number> {
  return { ...bytes(options), type: 'size per second', unit: 'bytes per second', suffix: '' }
}

/** A duration; `default`, `min` and `max` in milliseconds. */
export function duration(
  options: Common & Partial<Bounds> & { readonly default: number },
): Setting<number, 'Ms'> {
  const { min = 0, max = DURATION_MAX_MS } = options
  const range =
    max === DURATION_MAX_MS
      ? `from ${formatDuration(min)}`
      : `${formatDuration(min)}..${formatDuration(max)}`
  return {
    ...blank('duration', options),
    unit: 'milliseconds',
    suffix: 'Ms',
    allowed: `a duration such as 250ms, 30s, 5m or 1h30m, ${range}`,
    default: options.default,
    parse: (value) => {
      if (value === 0) return within(0, { min, max })
      if (typeof value !== 'string') throw new BadValue('it is not text with a unit')
      return within(
        translate(() => parseDuration(value)),
        { min, max },
      )
    },
    format: (value) => formatDuration(value),
  }
}

/** A list whose entries are settings of one kind; a variable or flag gives it as JSON. */
export function list<T>(
  options: Common & {
    readonly of: Setting<T, string>
    readonly default?: readonly NoInfer<T>[]
    readonly max: number
  },
): Setting<readonly T[]> {
  const { of, max } = options
  return {
    ...blank('list', options),
    type: `list of ${of.type}`,
    allowed: `a list of at most ${max}, each ${of.allowed}`,
    default: options.default ?? [],
    fields: of.fields,
    holdsSecret: of.holdsSecret,
    secrets: (value) => value.flatMap((entry) => of.secrets(entry)),
    fromText: fromJson,
    parse: (value) => {
      if (!Array.isArray(value)) throw new BadValue('it is not a list')
      if (value.length > max) throw new BadValue(`it has more than ${max} entries`)
      return value.map((entry: unknown, at) => nested(`[${at}]`, of, entry))
    },
    format: (value) => value.map((entry) => of.format(entry)),
  }
}

/** An object whose fields are settings; fields whose default is `undefined` may be absent. */
export function record<F extends Readonly<Record<string, AnySetting>>>(
  options: Common & { readonly fields: F; readonly required: readonly (keyof F & string)[] },
): Setting<SettingsOf<F>> {
  const { fields, required } = options
  const names = Object.keys(fields)
  return {
    ...blank('object', options),
    allowed: `an object of ${names.map((name) => (required.includes(name) ? name : `${name}?`)).join(', ')}`,
    // A record is an entry of a list or an optional field; it has no default of its own.
    default: {} as SettingsOf<F>,
    fields,
    holdsSecret: Object.values(fields).some((field) => field.holdsSecret),
    fromText: fromJson,
    secrets: (value) => {
      const held = new Map<string, unknown>(Object.entries(value))
      return Object.entries(fields).flatMap(([name, field]) =>
        field.secrets(held.get(`${name}${field.suffix}`)),
      )
    },
    parse: (value) => {
      const entries = entriesOf(value)
      for (const [name] of entries) {
        if (!Object.hasOwn(fields, name)) throw new BadValue('it is not a known field', `.${name}`)
      }
      const given = new Map(entries)
      const parsed = names.map((name) => {
        const field = fields[name]
        if (field === undefined) throw new BadValue('it is not a known field', `.${name}`)
        const written = given.get(name)
        if (written === undefined && required.includes(name)) {
          throw new BadValue('it is missing', `.${name}`)
        }
        const result = written === undefined ? field.default : nested(`.${name}`, field, written)
        return [`${name}${field.suffix}`, result] as const
      })
      // The codec's one cast: the entries were made from `fields` just above.
      return Object.freeze(Object.fromEntries(parsed)) as SettingsOf<F>
    },
    format: (value) => {
      const held = new Map<string, unknown>(Object.entries(value))
      return Object.fromEntries(
        Object.entries(fields)
          .map(([name, field]) => [name, field.format(held.get(`${name}${field.suffix}`))] as const)
          .filter(([, written]) => written !== undefined),
      )
    },
  }
}

function blank(
  type: string,
  options: Common,
): Pick<
  Setting<unknown>,
  | 'kind'
  | 'type'
  | 'unit'
  | 'suffix'
  | 'doc'
  | 'defaultDoc'
  | 'holdsSecret'
  | 'secrets'
  | 'fromText'
> {
  return {
    kind: 'setting',
    type,
    unit: '',
    suffix: '',
    doc: options.doc,
    defaultDoc: options.defaultDoc,
    holdsSecret: false,
    secrets: () => [],
    fromText: (written) => written,
  }
}

/** The value's own entries; anything but a plain object is refused. */
export function entriesOf(value: unknown): readonly (readonly [string, unknown])[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new BadValue('it is not an object')
  }
  return Object.entries(value)
}

/** The parser's own message is left out: it quotes the text, and there may be secrets in it. */
function fromJson(written: string): unknown {
  try {
    return JSON.parse(written)
  } catch {
    throw new BadValue('it is not JSON')
  }
}

function nested<T>(at: string, setting: Setting<T, string>, value: unknown): T {
  try {
    return setting.parse(value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new BadValue(error.message, `${at}${error.at}`, error.allowed ?? setting.allowed)
  }
}

function translate(parse: () => number): number {
  try {
    return parse()
  } catch (error) {
    if (!isFailure(error, 'argument-invalid')) throw error
    const { why } = error.facts
    throw new BadValue(`it ${why}`)
  }
}

function within(value: number, bounds: Bounds): number {
  if (value < bounds.min || value > bounds.max) throw new BadValue('it is out of range')
  return value
}
