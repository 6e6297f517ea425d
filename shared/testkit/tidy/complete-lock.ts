/**
 * Adds to package-lock.json the optional packages of other platforms that npm left out, so that one
 * lock file serves every platform and `npm ci` takes it. Run it (`npm run lock`) after a dependency
 * was added or changed. A package that the registry in use does not hold gets an entry without an
 * integrity hash, made from its name; a later run against a registry that has it fills that in.
 */
import { spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import {
  entriesWithoutIntegrity,
  type LockEntry,
  missingOptionalEntries,
  readLock,
  writeLock,
} from './lock.ts'

/** Fields of an entry in npm's order; the manifest has the same names. */
const FIELDS = [
  'version',
  'integrity',
  'cpu',
  'dev',
  'libc',
  'license',
  'optional',
  'os',
  'engines',
]
const SYSTEMS = ['linux', 'darwin', 'win32', 'android']
const PROCESSORS = ['x64', 'arm64', 'arm']

type EntryDraft = { readonly integrity?: string | undefined } & Readonly<Record<string, unknown>>

const root = resolve(import.meta.dirname, '../../..')
const lock = readLock(root)
const wanted = [...missingOptionalEntries(lock), ...entriesWithoutIntegrity(lock)]
const added = Object.fromEntries(
  wanted.map(({ name, version, dev }) => {
    const entry = fromRegistry(name, version) ?? fromName(name, version)
    process.stdout.write(`${name}@${version}${entry.integrity ? '' : ' (without integrity)'}\n`)
    return [`node_modules/${name}`, inOrder({ ...entry, optional: true, dev: dev || undefined })]
  }),
)
if (wanted.length > 0) writeLock(root, { ...lock, packages: { ...lock.packages, ...added } })
process.stdout.write(`${wanted.length} entries of package-lock.json completed\n`)

function fromRegistry(name: string, version: string): EntryDraft | undefined {
  const fields = [...FIELDS.filter((field) => field !== 'integrity'), 'dist.integrity']
  const { status, stdout } = spawnSync('npm', ['view', `${name}@${version}`, ...fields, '--json'], {
    encoding: 'utf8',
  })
  if (status !== 0 || stdout.trim() === '') return undefined
  const view: Readonly<Record<string, string>> = JSON.parse(stdout)
  return { ...view, integrity: view['dist.integrity'] }
}

/** `@biomejs/cli-linux-x64-musl` says its system, processor and C library. */
function fromName(name: string, version: string): EntryDraft {
  const words = name.slice(name.lastIndexOf('/') + 1).split('-')
  const os = words.filter((word) => SYSTEMS.includes(word))
  const cpu = words.filter((word) => PROCESSORS.includes(word))
  if (os.length !== 1 || cpu.length !== 1) {
    throw new Error(`${name}: neither the registry nor the name says its platform`)
  }
  return { version, os, cpu, libc: words.includes('musl') ? ['musl'] : undefined }
}

function inOrder(entry: Record<string, unknown>): LockEntry {
  return Object.fromEntries(FIELDS.map((field) => [field, entry[field]]))
}
