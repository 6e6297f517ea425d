import { readdir, readFile, realpath, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, sep } from 'node:path'
import { Failure } from '@forebay/base/failure'
import { openMountpath } from '../store/mountpath.ts'
import { markerPath } from '../store/mountpath-state.ts'
import { RESERVED_NAME } from '../store/naming.ts'
import { bucketDirectories } from './take-back.ts'

/** Names that a fresh file system has. */
const HARMLESS: ReadonlySet<string> = new Set(['lost+found', RESERVED_NAME])

/**
 * Makes sure that a directory can become a mountpath: there, empty, apart from the others. What is
 * left of an attach that was cut short, or of a mountpath that was emptied, is removed.
 *
 * @throws Failure `argument-invalid`; `setting-invalid` when another process or cluster has it
 */
export async function prepareDirectory(
  path: string,
  { others, clusterId }: { readonly others: readonly string[]; readonly clusterId: string },
): Promise<void> {
  if (!isAbsolute(path)) {
    throw new Failure('argument-invalid', `a mountpath is an absolute path, not "${path}"`)
  }
  const root = await realpath(path).catch((cause: unknown) => {
    throw new Failure('argument-invalid', `there is no directory ${path}`, { cause })
  })
  if (!(await stat(root)).isDirectory()) {
    throw new Failure('argument-invalid', `${path} is not a directory`)
  }
  for (const other of others) {
    const theirs = await realpath(other).catch(() => other)
    if (!isWithin(root, theirs) && !isWithin(theirs, root)) continue
    throw new Failure('argument-invalid', `${path} and mountpath ${other} are one in the other`)
  }
  const names = await readdir(root)
  const stranger = names.find((name) => !HARMLESS.has(name))
  if (stranger !== undefined) {
    throw new Failure('argument-invalid', `${path} is not empty: it has ${stranger}`, {
      hint: 'Use an empty directory.',
    })
  }
  if (!names.includes(RESERVED_NAME)) return
  // Opened to be sure that nobody has it, and that it is of this cluster.
  await (await openMountpath(path, clusterId)).close()
  await rm(join(root, RESERVED_NAME), { recursive: true })
}

function isWithin(path: string, directory: string): boolean {
  return (
    path === directory || path.startsWith(directory.endsWith(sep) ? directory : directory + sep)
  )
}

/** Makes a mountpath an ordinary directory again; only if it is the one that is meant, and empty. */
export async function clearMountpath({
  path,
  uuid,
}: {
  readonly path: string
  readonly uuid: string
}): Promise<void> {
  const text = await readFile(markerPath(path), 'utf8')
  if (!text.includes(uuid)) return
  for (const directory of await bucketDirectories(path)) {
    await removeEmpty(join(path, directory))
    await rmdir(dirname(join(path, directory))).catch(() => undefined)
    await rmdir(dirname(dirname(join(path, directory)))).catch(() => undefined)
  }
  await rm(join(path, RESERVED_NAME), { recursive: true })
}

/** Removes directories in which there is nothing but such directories. */
async function removeEmpty(path: string): Promise<void> {
  for (const entry of await readdir(path, { withFileTypes: true })) {
    if (entry.isDirectory()) await removeEmpty(join(path, entry.name))
  }
  // Not empty: files that a forced detach left behind are the operator's.
  await rmdir(path).catch(() => undefined)
}
