import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What a lock file says of one package; only the fields that the tidy tests look at. */
export type LockEntry = {
  readonly version?: string
  readonly integrity?: string
  readonly link?: boolean
  readonly dev?: boolean
  readonly optional?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
}

/** A package-lock.json: entries by their path below the root; the root itself is ''. */
export type LockFile = { readonly packages: Readonly<Record<string, LockEntry>> }

/** An entry that the lock file lacks, or holds without a hash. */
export type IncompleteEntry = {
  readonly name: string
  readonly version: string
  readonly dev: boolean
}

/** Reads the lock file of a checkout. */
export function readLock(root: string): LockFile {
  return JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'))
}

/** Writes a lock file as npm does: two spaces, entries sorted by path, a final newline. */
export function writeLock(root: string, lock: LockFile): void {
  const paths = Object.keys(lock.packages).sort((a, b) => a.localeCompare(b, 'en'))
  const packages = Object.fromEntries(paths.map((path) => [path, lock.packages[path]]))
  const text = `${JSON.stringify({ ...lock, packages }, null, 2)}\n`
  writeFileSync(join(root, 'package-lock.json'), text)
}

/**
 * Optional dependencies without an entry of their own. npm leaves out those of other platforms when
 * it writes a lock file beside an existing node_modules; an install elsewhere then lacks them.
 */
export function missingOptionalEntries(lock: LockFile): readonly IncompleteEntry[] {
  return Object.entries(lock.packages).flatMap(([path, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !isResolvable(lock, { from: path, name }))
      .map(([name, version]) => ({ name, version, dev: entry.dev ?? false })),
  )
}

/** Packages from a registry whose contents the lock file does not fix. */
export function entriesWithoutIntegrity(lock: LockFile): readonly IncompleteEntry[] {
  return Object.entries(lock.packages).flatMap(([path, { version, integrity, link, dev }]) => {
    if (!path.startsWith('node_modules/') || link || integrity || !version) return []
    return [{ name: path.slice('node_modules/'.length), version, dev: dev ?? false }]
  })
}

/** Node's rule: the nearest node_modules above wins. */
function isResolvable(
  lock: LockFile,
  wanted: { readonly from: string; readonly name: string },
): boolean {
  let folder = wanted.from
  for (;;) {
    const prefix = folder === '' ? '' : `${folder}/`
    if (`${prefix}node_modules/${wanted.name}` in lock.packages) return true
    if (folder === '') return false
    const parent = folder.lastIndexOf('node_modules/')
    folder = parent <= 0 ? '' : folder.slice(0, parent - 1)
  }
}
