import { writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import { describeSettings, secretsOf } from '@forebay/config/describe'
import type { SettingFlags } from '@forebay/config/flags'
import { type LoadedSettings, loadSettings } from '@forebay/config/load'
import { namesOfVariables, registerSecrets, scrub } from '../bundle/scrub.ts'
import { packTar, type TarEntry } from '../bundle/tar.ts'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { formatError } from '../output/error-text.ts'
import { sizeText } from '../output/values.ts'
import { findingsOf } from './doctor.ts'
import { readIfThere } from './node.ts'

export type BundleOptions = SettingFlags & {
  /** File to write; it must not be there yet. */
  readonly output?: string | undefined
}

/** Longest wait for each answer of the node. */
const ASK_TIMEOUT_MS = 10_000

/** Characters of one file of the bundle. */
const PART_CHARACTERS_MAX = 16 * 1024 ** 2

const compress = promisify(gzip)

/**
 * `forebay debug bundle`: one file to hand to whoever helps, with no secret in it. What cannot be had,
 * because no node answers or it refuses, is named in `errors.txt`.
 */
export async function writeBundle(run: Run, options: BundleOptions): Promise<void> {
  const atMs = Date.now()
  const stamp = new Date(atMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const name = `forebay-debug-${stamp}`
  const path = options.output ?? `${name}.tar.gz`
  const parts = await gather(run, options)
  const entries = parts.map((part) => ({
    name: `${name}/${part.name}`,
    text: scrub(part.text).slice(0, PART_CHARACTERS_MAX),
  }))
  const bytes = await compress(packTar(entries, atMs))
  // For this user alone: names of buckets and hosts are nobody else's business.
  await writeFile(path, bytes, { mode: 0o600, flag: 'wx' })
  const files = parts.map((part) => part.name)
  if (run.options.json === true) {
    print(run, JSON.stringify({ file: path, bytes: bytes.length, files }))
    return
  }
  print(run, `${path}: ${sizeText(bytes.length)}, ${files.join(', ')}`)
  note(run, 'Secrets are taken out; names of buckets, hosts and directories are in it.')
}

async function gather(run: Run, options: BundleOptions): Promise<readonly TarEntry[]> {
  const { environment, signal } = run.context
  const { output, ...flags } = options
  const errors: string[] = []
  const entries: TarEntry[] = []
  const add = async (name: string, read: () => Promise<unknown>): Promise<void> => {
    try {
      const held = await read()
      entries.push({ name, text: typeof held === 'string' ? held : `${jsonOf(held)}\n` })
    } catch (error) {
      signal.throwIfAborted()
      errors.push(`${name}: ${formatError(error).join(' ')}`)
    }
  }
  const loaded = await loadOrExplain({ flags, run, errors })
  registerSecrets(environment, loaded === undefined ? [] : secretsOf(loaded))
  const client = clientOf(run)
  const call = () => ({ signal: AbortSignal.any([signal, AbortSignal.timeout(ASK_TIMEOUT_MS)]) })
  await add('versions.json', async () => versions())
  await add('variables.json', async () => namesOfVariables(environment))
  if (loaded !== undefined) await add('settings.json', async () => describeSettings(loaded))
  await add('doctor.json', () => findingsOf(run, flags))
  await add('node-status.json', async () => (await client.status(call())).raw)
  await add('node-settings.json', () => client.config(call()))
  await add('node-buckets.json', () => client.buckets.list(call()))
  await add('node-metrics.txt', () => client.metrics(call()))
  await add('node-log.jsonl', async () => `${(await client.recentLog(call())).join('\n')}\n`)
  if (errors.length > 0) entries.push({ name: 'errors.txt', text: `${errors.join('\n')}\n` })
  return entries
}

/** The settings that a node started here would have; why not, when it would not start. */
async function loadOrExplain(situation: {
  readonly flags: SettingFlags
  readonly run: Run
  readonly errors: string[]
}): Promise<LoadedSettings | undefined> {
  const { flags, run, errors } = situation
  try {
    const { environment } = run.context
    return await loadSettings({ flags, environment, readFile: readIfThere })
  } catch (error) {
    errors.push(`settings.json: ${formatError(error).join(' ')}`)
    return undefined
  }
}

function versions(): unknown {
  return {
    node: process.versions,
    platform: process.platform,
    architecture: process.arch,
    kernel: release(),
    processor: cpus()[0]?.model,
    processorCount: cpus().length,
    memoryBytes: totalmem(),
    constrainedMemoryBytes: process.constrainedMemory(),
  }
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, undefined, 2) ?? 'null'
}
