import { isSetting, SETTING_KEYS } from './keys.ts'
import { formatOrigin, type LoadedSettings } from './load.ts'
import type { AnySetting, SettingGroup } from './setting.ts'

/** One setting with its present value, as `forebay config show --origin` prints it. */
export interface ShownSetting {
  readonly key: string
  /** As a file would have it; secrets redacted; undefined when it is not set. */
  readonly value: unknown
  readonly origin: string
  /** What it is for, as the reference says it. */
  readonly doc: string
}

/** Every setting with its value and where that came from. Secrets are not in it. */
export function describeSettings(loaded: LoadedSettings): readonly ShownSetting[] {
  return SETTING_KEYS.map(({ key, setting }) => {
    const origin = loaded.origins.get(key)
    return {
      key,
      value: setting.format(valueAt(loaded.settings, key, setting)),
      origin: origin === undefined ? 'default' : formatOrigin(origin),
      doc: setting.doc,
    }
  })
}

/** One setting as the reference documents it. */
export interface DocumentedSetting {
  readonly key: string
  readonly variable: string
  readonly type: string
  readonly unit: string
  readonly allowed: string
  readonly default: string
  readonly doc: string
  /** Of an object, or of the objects in a list. */
  readonly fields: readonly Omit<DocumentedSetting, 'variable' | 'fields'>[]
}

/** The schema as data, for the reference and for `forebay config explain`. */
export function describeSchema(): readonly DocumentedSetting[] {
  return SETTING_KEYS.map(({ key, variable, setting }) => ({
    ...documented(key, setting),
    variable,
    fields: fieldsOf(setting.fields),
  }))
}

/** The secrets among the settings, to be registered with the log before its first line. */
export function secretsOf(loaded: LoadedSettings): readonly string[] {
  return SETTING_KEYS.flatMap(({ key, setting }) =>
    setting.secrets(valueAt(loaded.settings, key, setting)),
  )
}

function documented(
  key: string,
  setting: AnySetting,
): Omit<DocumentedSetting, 'variable' | 'fields'> {
  const { type, unit, allowed, doc } = setting
  return { key, type, unit, allowed, default: defaultText(setting), doc }
}

function fieldsOf(fields: SettingGroup | undefined): DocumentedSetting['fields'] {
  if (fields === undefined) return []
  return Object.entries(fields).flatMap(([name, field]) =>
    isSetting(field) ? [documented(name, field)] : [],
  )
}

function defaultText(setting: AnySetting): string {
  if (setting.defaultDoc !== undefined) return setting.defaultDoc
  const value = setting.format(setting.default)
  return typeof value === 'string' ? value : JSON.stringify(value)
}

function valueAt(settings: unknown, key: string, setting: AnySetting): unknown {
  const levels = `${key}${setting.suffix}`.split('.')
  return levels.reduce<unknown>(
    (held, level) =>
      typeof held === 'object' && held !== null
        ? new Map<string, unknown>(Object.entries(held)).get(level)
        : undefined,
    settings,
  )
}
