import { SCHEMA } from './schema.ts'
import type { AnySetting, SettingGroup } from './setting.ts'

/** A setting with the names it goes by. */
export interface SettingKey {
  /** `http.idleTimeout`, as in files. */
  readonly key: string
  /** `FOREBAY_HTTP__IDLE_TIMEOUT`. */
  readonly variable: string
  readonly setting: AnySetting
}

/** Every setting of the schema, in its order. */
export const SETTING_KEYS: readonly SettingKey[] = keysOf(SCHEMA, '')

/** The settings by key. */
export const SETTING_BY_KEY: ReadonlyMap<string, SettingKey> = new Map(
  SETTING_KEYS.map((entry) => [entry.key, entry]),
)

/** The environment variable that sets a key: upper snake case, `__` between levels. */
export function variableOf(key: string): string {
  const levels = key
    .split('.')
    .map((level) => level.replace(/(?<=[a-z0-9])(?=[A-Z])/g, '_').toUpperCase())
  return `FOREBAY_${levels.join('__')}`
}

/** True for an entry of the schema that is a setting, not a group of them. */
export function isSetting(entry: AnySetting | SettingGroup): entry is AnySetting {
  const { kind } = entry
  return kind === 'setting'
}

function keysOf(group: SettingGroup, prefix: string): readonly SettingKey[] {
  return Object.entries(group).flatMap(([name, entry]) => {
    const key = `${prefix}${name}`
    return isSetting(entry)
      ? [{ key, variable: variableOf(key), setting: entry }]
      : keysOf(entry, `${key}.`)
  })
}
