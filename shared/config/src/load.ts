import { join } from 'node:path'
import { Failure } from '@forebay/base/failure'
import { parseDocument } from 'yaml'
import { checkSettings } from './checks.ts'
import {
  defaultConfigFiles,
  defaultDataDir,
  type Environment,
  OTHER_VARIABLES,
} from './environment.ts'
import { type SettingFlags, splitAtFirst } from './flags.ts'
import { isSetting, SETTING_BY_KEY, SETTING_KEYS, type SettingKey } from './keys.ts'
import { nearest } from './nearest.ts'
import { SCHEMA, type Settings } from './schema.ts'
import { BadValue, entriesOf, REDACTED, type SettingGroup } from './setting.ts'

/** Where the value of a setting came from. */
export type Origin =
  | { readonly kind: 'default' }
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'environment'; readonly variable: string }
  | { readonly kind: 'flag'; readonly flag: string }

export interface LoadInput {
  readonly flags: SettingFlags
  readonly environment: Environment
  /** The text of a file; undefined when there is none of that name. */
  readonly readFile: (path: string) => Promise<string | undefined>
}

export interface LoadedSettings {
  readonly settings: Settings
  /** By key, for every setting. */
  readonly origins: ReadonlyMap<string, Origin>
}

/** A value as a file would have it, not yet checked. */
interface Written {
  readonly value: unknown
  readonly origin: Origin
}

/** Characters of a configuration file; a real one has a few thousand. */
const FILE_CHARACTERS_MAX = 1024 * 1024

/**
 * The settings of a node: defaults < file < environment < flags, checked one by one and together.
 *
 * The file is the one of `--config`; without it `config.yaml` or `config.json` in the user's
 * configuration directory, if there is one. The result is frozen.
 *
 * @throws Failure `setting-invalid`: names the key, where it came from, and what is allowed
 */
export async function loadSettings(input: LoadInput): Promise<LoadedSettings> {
  const written = new Map<string, Written>([
    ...fromVendors(input.environment),
    ...(await fromFile(input)),
    ...fromEnvironment(input.environment),
  ])
  for (const [key, value] of fromFlags(input.flags)) written.set(key, value)
  applyPort(written, input.flags.port)

  const values = new Map<string, unknown>()
  for (const entry of SETTING_KEYS) {
    const given = written.get(entry.key)
    values.set(entry.key, given === undefined ? entry.setting.default : parse(entry, given))
  }
  fillComputedDefaults(values, written, input.environment)
  // The one cast of the loader: `assemble` builds what the schema describes.
  const settings = assemble(SCHEMA, '', values) as Settings
  const origins = new Map(
    SETTING_KEYS.map(({ key }) => [key, written.get(key)?.origin ?? { kind: 'default' as const }]),
  )
  await checkSettings(settings, input.readFile)
  return { settings, origins }
}

/** An origin as people read it: `file /etc/forebay.yaml`, `environment FOREBAY_DATA_DIR`. */
export function formatOrigin(origin: Origin): string {
  switch (origin.kind) {
    case 'default':
      return 'default'
    case 'file':
      return `file ${origin.path}`
    case 'environment':
      return `environment ${origin.variable}`
    case 'flag':
      return `flag ${origin.flag}`
    default:
      return origin satisfies never
  }
}

async function fromFile(input: LoadInput): Promise<ReadonlyMap<string, Written>> {
  const written = new Map<string, Written>()
  const file = await findFile(input)
  if (file === undefined) return written
  const origin = { kind: 'file', path: file.path } as const
  collect({ group: SCHEMA, prefix: '', origin }, parseFile(file), written)
  return written
}

interface ConfigFile {
  readonly path: string
  readonly text: string
}

async function findFile(input: LoadInput): Promise<ConfigFile | undefined> {
  const named = input.flags.config
  if (named !== undefined) {
    const text = await input.readFile(named)
    if (text === undefined) throw invalid(`the file of --config is not there: ${named}`)
    return { path: named, text }
  }
  const found: ConfigFile[] = []
  for (const path of defaultConfigFiles(input.environment)) {
    const text = await input.readFile(path)
    if (text !== undefined) found.push({ path, text })
  }
  const [first, second] = found
  if (first !== undefined && second !== undefined) {
    throw invalid(`both ${first.path} and ${second.path} are there; remove one`)
  }
  return first
}

function parseFile(file: ConfigFile): unknown {
  if (file.text.length > FILE_CHARACTERS_MAX) {
    throw invalid(`file ${file.path} is longer than ${FILE_CHARACTERS_MAX} characters`)
  }
  return file.path.endsWith('.json') ? parseJson(file) : parseYaml(file)
}

/** The parsers' messages quote the text, and there may be secrets in it: only the place is told. */
function parseJson(file: ConfigFile): unknown {
  try {
    return JSON.parse(file.text)
  } catch (error) {
    const position = /position \d+/.exec(messageOf(error))?.[0]
    const place = position === undefined ? '' : ` at ${position}`
    throw invalid(`file ${file.path} is not JSON${place}`)
  }
}

function parseYaml(file: ConfigFile): unknown {
  const document = parseDocument(file.text, { prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    const line = file.text.slice(0, error.pos[0]).split('\n').length
    throw invalid(`file ${file.path} is not YAML at line ${line} (${error.code})`)
  }
  try {
    return document.toJS({ maxAliasCount: 100 }) ?? {}
  } catch {
    throw invalid(`file ${file.path} is not YAML: it repeats anchors too often`)
  }
}

interface Place {
  readonly group: SettingGroup
  readonly prefix: string
  readonly origin: Origin
}

function collect(place: Place, value: unknown, written: Map<string, Written>): void {
  const { group, prefix, origin } = place
  for (const [name, held] of entriesAt(place, value)) {
    const key = `${prefix}${name}`
    const entry = Object.hasOwn(group, name) ? group[name] : undefined
    if (entry === undefined) throw unknownKey(key, origin)
    if (isSetting(entry)) written.set(key, { value: held, origin })
    // A group whose lines are all commented out is null in YAML.
    else if (held !== null) collect({ group: entry, prefix: `${key}.`, origin }, held, written)
  }
}

function entriesAt(place: Place, value: unknown): readonly (readonly [string, unknown])[] {
  try {
    return entriesOf(value)
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    const what = place.prefix === '' ? 'the top level' : `setting ${place.prefix.slice(0, -1)}`
    throw invalid(`${what} (${formatOrigin(place.origin)}) must be an object of settings`, error)
  }
}

function fromEnvironment(environment: Environment): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>()
  const byVariable = new Map(SETTING_KEYS.map((entry) => [entry.variable, entry]))
  for (const [variable, text] of Object.entries(environment.variables)) {
    if (text === undefined || !variable.startsWith('FOREBAY_')) continue
    if (Object.hasOwn(OTHER_VARIABLES, variable)) continue
    const origin = { kind: 'environment', variable } as const
    const entry = byVariable.get(variable)
    if (entry === undefined) {
      const known = [...byVariable.keys(), ...Object.keys(OTHER_VARIABLES)]
      throw invalid(`environment variable ${variable} is no setting${didYouMean(variable, known)}`)
    }
    written.set(entry.key, fromText(entry, text, origin))
  }
  return written
}

/** Variables that the vendors' own tools read; anything of ours goes before them. */
const VENDOR_VARIABLES: Readonly<Record<string, string>> = {
  AZURE_STORAGE_ACCOUNT: 'backends.azure.account',
  AZURE_STORAGE_KEY: 'backends.azure.key',
  AZURE_STORAGE_SAS_TOKEN: 'backends.azure.sasToken',
  AZURE_STORAGE_CONNECTION_STRING: 'backends.azure.connectionString',
}

function fromVendors(environment: Environment): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>()
  for (const [variable, key] of Object.entries(VENDOR_VARIABLES)) {
    const value = environment.variables[variable]
    if (value === undefined || value === '') continue
    written.set(key, { value, origin: { kind: 'environment', variable } })
  }
  return written
}

function fromFlags(flags: SettingFlags): ReadonlyMap<string, Written> {
  const written = new Map<string, Written>()
  for (const assignment of flags.set ?? []) {
    const [key, text] = splitAtFirst(assignment, '=')
    const origin = { kind: 'flag', flag: '--set' } as const
    if (text === undefined) throw invalid(`flag --set wants KEY=VALUE, got "${key}"`)
    const entry = SETTING_BY_KEY.get(key)
    if (entry === undefined) throw unknownKey(key, origin)
    if (written.has(key)) throw invalid(`flag --set gives ${key} twice`)
    written.set(key, fromText(entry, text, origin))
  }
  if (flags.data !== undefined) {
    written.set('dataDir', { value: flags.data, origin: { kind: 'flag', flag: '--data' } })
  }
  if (flags.mountpath !== undefined) {
    const origin = { kind: 'flag', flag: '--mountpath' } as const
    written.set('mountpaths', { value: flags.mountpath, origin })
  }
  if (flags.redis !== undefined) {
    const entry = SETTING_BY_KEY.get('redisUrl')
    const origin = { kind: 'flag', flag: '--redis' } as const
    if (entry !== undefined) written.set(entry.key, fromText(entry, flags.redis, origin))
  }
  if (flags.insecure === true) {
    written.set('auth.insecure', { value: true, origin: { kind: 'flag', flag: '--insecure' } })
  }
  return written
}

/** `--port` changes one field of the first listener, whoever set the others. */
function applyPort(written: Map<string, Written>, port: string | undefined): void {
  if (port === undefined) return
  const origin = { kind: 'flag', flag: '--port' } as const
  const given = written.get('listen')
  const listeners: unknown = given === undefined ? SCHEMA.listen.default : given.value
  if (!/^\d{1,5}$/.test(port) || Number(port) > 65_535) {
    throw invalid(`bad value for --port: "${port}"; allowed: a whole number, 0..65535`)
  }
  if (!Array.isArray(listeners) || listeners.length === 0) return
  const [first, ...others] = listeners.map((entry: unknown) => entry)
  if (typeof first !== 'object' || first === null) return
  const fields = Object.entries(first).filter(([, value]) => value !== undefined)
  const changed = { ...Object.fromEntries(fields), port: Number(port) }
  written.set('listen', { value: [changed, ...others], origin })
}

function fromText(entry: SettingKey, text: string, origin: Origin): Written {
  try {
    return { value: entry.setting.fromText(text), origin }
  } catch (error) {
    throw badValue(entry, { value: text, origin }, error)
  }
}

function parse(entry: SettingKey, written: Written): unknown {
  try {
    return entry.setting.parse(written.value)
  } catch (error) {
    throw badValue(entry, written, error)
  }
}

function badValue(entry: SettingKey, written: Written, error: unknown): unknown {
  if (!(error instanceof BadValue)) return error
  const { key, setting } = entry
  const shown = showValue(entry, written.value)
  return invalid(
    `bad value for ${key}${error.at} (${formatOrigin(written.origin)})${shown}: ${error.message}; allowed: ${error.allowed ?? setting.allowed}`,
  )
}

/** What was written, cut to a line; nothing for objects. */
function showValue(entry: SettingKey, value: unknown): string {
  if (entry.setting.holdsSecret) return ` = ${REDACTED}`
  if (typeof value === 'object') return ''
  const text = String(value)
  return ` = "${text.length > 100 ? `${text.slice(0, 100)}...` : text}"`
}

function fillComputedDefaults(
  values: Map<string, unknown>,
  written: ReadonlyMap<string, Written>,
  environment: Environment,
): void {
  if (!written.has('dataDir')) values.set('dataDir', defaultDataDir(environment))
  if (!written.has('mountpaths')) {
    values.set('mountpaths', [join(String(values.get('dataDir')), 'mountpath')])
  }
  const users = values.get('auth.users')
  if (!written.has('auth.mode') && Array.isArray(users) && users.length > 0) {
    values.set('auth.mode', 'users')
  }
}

function assemble(
  group: SettingGroup,
  prefix: string,
  values: ReadonlyMap<string, unknown>,
): Readonly<Record<string, unknown>> {
  const entries = Object.entries(group).map(([name, entry]) => {
    const key = `${prefix}${name}`
    return isSetting(entry)
      ? [`${name}${entry.suffix}`, deepFreeze(values.get(key))]
      : [name, assemble(entry, `${key}.`, values)]
  })
  return Object.freeze(Object.fromEntries(entries))
}

function deepFreeze(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  for (const held of Object.values(value)) deepFreeze(held)
  return Object.freeze(value)
}

function unknownKey(key: string, origin: Origin): Failure {
  const known = SETTING_KEYS.map((entry) => entry.key)
  return invalid(`setting ${key} (${formatOrigin(origin)}) is not known${didYouMean(key, known)}`)
}

function didYouMean(name: string, known: readonly string[]): string {
  const meant = nearest(name, known)
  return meant === undefined
    ? '; `forebay config show` lists the settings'
    : `; did you mean ${meant}?`
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function invalid(message: string, cause?: unknown): Failure {
  return new Failure('setting-invalid', message, { cause })
}
