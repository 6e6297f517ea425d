import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import type { NodeReport } from '@forebay/client/client'
import { type DocumentedSetting, describeSchema, describeSettings } from '@forebay/config/describe'
import type { SettingFlags } from '@forebay/config/flags'
import { loadSettings } from '@forebay/config/load'
import { nearest } from '@forebay/config/nearest'
import { clientOf, print, type Run } from '../cli-context.ts'
import { usageError } from '../exit-code.ts'
import { formatPairs, formatTable } from '../output/table.ts'
import { shareText, sizeText, spanText, valueText } from '../output/values.ts'
import { mountpathLines } from './mountpath.ts'

/** Runs a node in the foreground, in a process of its own; resolves to its exit code. */
export async function up(args: readonly string[]): Promise<number> {
  const main = fileURLToPath(new URL('../../../forebay/src/main.ts', import.meta.url))
  const flags = ['--disable-warning=ExperimentalWarning', main, 'up', ...args]
  const child = spawn(process.execPath, flags, { stdio: 'inherit' })
  // Ctrl-C in a terminal reaches the node too, which drains; we wait for it.
  process.on('SIGINT', () => {
    if (process.stdin.isTTY !== true) child.kill('SIGINT')
  })
  for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => child.kill(signal))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    )
  })
}

export async function showStatus(run: Run): Promise<void> {
  const client = clientOf(run)
  const report = await client.status({ signal: run.context.signal })
  if (run.options.json === true) print(run, JSON.stringify(report.raw))
  else for (const line of statusLines(report, client.endpoint)) print(run, line)
}

export interface ConfigOptions {
  /** Tell where each value came from. */
  readonly origin?: boolean | undefined
  /** Ask the running node instead of reading this machine's settings. */
  readonly node?: boolean | undefined
  readonly config?: string | undefined
}

export async function showConfig(run: Run, options: ConfigOptions): Promise<void> {
  const settings =
    options.node === true ? await nodeSettings(run) : await localSettings(run, options)
  if (run.options.json === true) {
    print(run, JSON.stringify(settings))
    return
  }
  const columns = [{ head: 'SETTING' }, { head: 'VALUE' }, { head: 'ORIGIN' }]
  const rows = settings.map(({ key, value, origin }) => [key, valueText(value), origin])
  const shown = options.origin === true ? 3 : 2
  const lines = formatTable(
    columns.slice(0, shown),
    rows.map((row) => row.slice(0, shown)),
  )
  for (const line of lines) print(run, line)
}

/** `forebay config explain KEY...`: what settings mean; a group's name means all in it. */
export function explainSettings(run: Run, keys: readonly string[]): void {
  const schema = describeSchema()
  const wanted = keys.flatMap((key) => {
    const found = schema.filter(
      (setting) => setting.key === key || setting.key.startsWith(`${key}.`),
    )
    if (found.length > 0) return found
    const all = schema.map((setting) => setting.key)
    const meant = nearest(key, all)
    throw usageError(
      `there is no setting ${key}`,
      meant === undefined ? '"forebay config show" lists all.' : `Did you mean ${meant}?`,
    )
  })
  if (run.options.json === true) for (const setting of wanted) print(run, JSON.stringify(setting))
  else print(run, wanted.map(explanationOf).join('\n\n'))
}

function explanationOf({ key, doc, type, ...rest }: DocumentedSetting): string {
  const fields = rest.fields.map((field) => [`  ${field.key}`, field.doc] as const)
  return [
    key,
    `  ${doc}`,
    ...formatPairs([
      ['  type', type],
      ['  default', rest.default],
      ['  allowed', rest.allowed === '' ? '-' : rest.allowed],
      ['  variable', rest.variable],
      ...fields,
    ]),
  ].join('\n')
}

interface ShownSetting {
  readonly key: string
  readonly value: unknown
  readonly origin: string
}

function nodeSettings(run: Run): Promise<readonly ShownSetting[]> {
  return clientOf(run).config({ signal: run.context.signal })
}

async function localSettings(run: Run, options: ConfigOptions): Promise<readonly ShownSetting[]> {
  const flags: SettingFlags = { config: options.config }
  const { environment } = run.context
  return describeSettings(await loadSettings({ flags, environment, readFile: readIfThere }))
}

/** The text of a file; `undefined` when there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function statusLines(report: NodeReport, endpoint: string): readonly string[] {
  const { cache, mountpaths } = report
  const count = (name: string): number => cache[name] ?? 0
  const reads = count('hits') + count('misses') + count('partial') + count('stale')
  const bytes = count('bytesFromCache') + count('bytesFromBackend')
  const pairs: (readonly [string, string])[] = [
    ['endpoint', endpoint],
    ['version', report.version],
    [
      'state',
      [report.ready ? 'ready' : 'not ready', report.reasons.join('; ')].filter(Boolean).join(': '),
    ],
    ['uptime', spanText(report.uptimeSeconds)],
    ['buckets', String(report.bucketCount)],
    ['objects', report.objectCount === undefined ? '-' : String(report.objectCount)],
    ['unsettled keys', String(report.unsettledCount)],
    ['reads', `${reads}, ${shareText(count('hits'), reads)} from the cache`],
    [
      'bytes read',
      `${sizeText(bytes)}, ${shareText(count('bytesFromCache'), bytes)} from the cache`,
    ],
    ['backend requests', String(count('backendRequests'))],
  ]
  return [...formatPairs(pairs), '', ...mountpathLines(mountpaths)]
}
