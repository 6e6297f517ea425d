import { Failure } from '@forebay/base/failure'
import { nearest } from './nearest.ts'

/** Flags that mean settings, as text; a command-line parser may fill it, or `parseSettingFlags`. */
export interface SettingFlags {
  readonly config?: string | undefined
  readonly port?: string | undefined
  readonly data?: string | undefined
  readonly mountpath?: readonly string[] | undefined
  readonly insecure?: boolean | undefined
  readonly redis?: string | undefined
  /** `key=value` each. */
  readonly set?: readonly string[] | undefined
}

/** The flags and what they mean, for a usage text. */
export const SETTING_FLAGS: Readonly<Record<string, string>> = {
  '--config FILE': 'read settings from this YAML or JSON file',
  '--port PORT': 'port of the first listener',
  '--data DIR': 'directory of what the node itself keeps',
  '--mountpath DIR': 'directory that holds objects; repeatable',
  '--redis URL': 'Redis or Valkey that keeps the jobs; auto starts the one that is found',
  '--insecure': 'allow open mode on addresses that other machines reach',
  '--set KEY=VALUE': 'any setting; repeatable; a list as JSON',
}

const NAMES = Object.keys(SETTING_FLAGS).map((usage) => usage.split(' ')[0] ?? usage)

/**
 * The setting flags of a command line, as `--flag value` or `--flag=value`.
 *
 * @throws Failure `setting-invalid` at an unknown flag, a missing value, or a flag given twice
 */
export function parseSettingFlags(argv: readonly string[]): SettingFlags {
  const single = new Map<string, string>()
  const mountpath: string[] = []
  const set: string[] = []
  let insecure = false
  const rest = [...argv]
  for (let flag = rest.shift(); flag !== undefined; flag = rest.shift()) {
    const [name, inline] = splitAtFirst(flag, '=')
    if (!NAMES.includes(name)) throw unknownFlag(name)
    if (name === '--insecure') {
      if (inline !== undefined) throw invalid('flag --insecure takes no value')
      insecure = true
      continue
    }
    const value = inline ?? rest.shift()
    if (value === undefined || value === '') throw invalid(`flag ${name} needs a value`)
    if (name === '--mountpath') mountpath.push(value)
    else if (name === '--set') set.push(value)
    else if (single.has(name)) throw invalid(`flag ${name} is given twice`)
    else single.set(name, value)
  }
  return {
    config: single.get('--config'),
    port: single.get('--port'),
    data: single.get('--data'),
    mountpath: mountpath.length === 0 ? undefined : mountpath,
    insecure: insecure ? true : undefined,
    redis: single.get('--redis'),
    set: set.length === 0 ? undefined : set,
  }
}

/** The text before and after the first separator; no second part when there is none. */
export function splitAtFirst(text: string, separator: string): readonly [string, string?] {
  const at = text.indexOf(separator)
  return at < 0 ? [text] : [text.slice(0, at), text.slice(at + separator.length)]
}

function unknownFlag(name: string): Failure {
  const meant = nearest(name, NAMES)
  const hint = meant === undefined ? `known are ${NAMES.join(', ')}` : `did you mean ${meant}?`
  return invalid(`flag ${name} is not known; ${hint}`)
}

function invalid(message: string): Failure {
  return new Failure('setting-invalid', message)
}
