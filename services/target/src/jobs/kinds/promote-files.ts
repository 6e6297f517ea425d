import type { Dirent } from 'node:fs'
import { lstat, readdir, realpath } from 'node:fs/promises'
import { basename, isAbsolute, join, normalize } from 'node:path'
import { Failure } from '@forebay/base/failure'
import { PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import type { ItemVersion } from '@forebay/jobs/job'
import { compareKeys } from '@forebay/model/key'
import type { JobContext } from '../kind-work.ts'
import { diskError, isAbsent, versionOfPath } from './promoted-file.ts'

/** Directories within each other that are walked. */
export const DEPTH_MAX = 64

/** A file below a root. */
export interface FoundFile {
  readonly path: string
  /** Below the root, with `/` between its parts. */
  readonly name: string
  readonly version: ItemVersion
  readonly sizeBytes: number
}

/**
 * The path that an order names, when the node lets its files out.
 *
 * @throws Failure `argument-invalid` for another form, `access-denied`
 */
export function checkPath(
  { promoteFolders = [] }: Pick<JobContext, 'promoteFolders'>,
  source: string,
): string {
  const path = source.length > 1 && source.endsWith('/') ? source.slice(0, -1) : source
  if (!isAbsolute(path) || normalize(path) !== path || path.includes('\0')) {
    throw new Failure('argument-invalid', 'args.source must be an absolute path without . and ..')
  }
  const isBelow = (folder: string): boolean =>
    path === folder || path.startsWith(folder.endsWith('/') ? folder : `${folder}/`)
  if (promoteFolders.some(isBelow)) return path
  throw new Failure('access-denied', 'the node lets no files of this path be promoted', {
    hint: 'name the folder in the setting jobs.promote.folders',
  })
}

/** The same, looked up. @throws Failure as `checkPath`; `argument-invalid` for a link or nothing */
export async function openRoot(
  context: Pick<JobContext, 'promoteFolders'>,
  source: string,
): Promise<string> {
  const path = checkPath(context, source)
  const real = await realpath(path).catch((error: unknown) => {
    if (isAbsent(error)) return undefined
    throw diskError(path, error)
  })
  if (real === path) return path
  throw new Failure('argument-invalid', `${path} is not there, or a symbolic link leads to it`)
}

/**
 * A page of the regular files of a directory, by bytes of their names, or the file itself. Links are not
 * followed.
 *
 * @param walk.after name of the last file of the page before
 */
export async function listFiles(
  root: string,
  walk: { readonly recursive: boolean; readonly after: string | undefined },
): Promise<{ readonly files: readonly FoundFile[]; readonly next: string | undefined }> {
  const stats = await lstat(root)
  if (!stats.isDirectory()) {
    const file = await fileAt(root, basename(root))
    return { files: file === undefined ? [] : [file], next: undefined }
  }
  const files: FoundFile[] = []
  for await (const name of names({ root, ...walk }, '')) {
    const file = await fileAt(join(root, name), name)
    if (file !== undefined) files.push(file)
    if (files.length === PAGE_ITEMS_MAX) return { files, next: name }
  }
  return { files, next: undefined }
}

async function fileAt(path: string, name: string): Promise<FoundFile | undefined> {
  const found = await versionOfPath(path)
  if (found === undefined) return undefined
  const { sizeBytes, ...version } = found
  return { path, name, version, sizeBytes }
}

interface Walk {
  readonly root: string
  readonly recursive: boolean
  readonly after: string | undefined
}

/** Names of files in a directory and below it that come after `walk.after`, in order. */
async function* names(walk: Walk, below: string, depth = 0): AsyncGenerator<string> {
  const { root, recursive, after = '' } = walk
  const entries = await entriesOf(join(root, below))
  // As the names of objects go: a directory stands where its files do.
  const sorted = entries
    .map((entry) => ({
      name: `${below}${entry.name}${entry.isDirectory() ? '/' : ''}`,
      isDirectory: entry.isDirectory(),
    }))
    .sort((a, b) => compareKeys(a.name, b.name))
  for (const { name, isDirectory } of sorted) {
    if (!isDirectory) {
      if (compareKeys(name, after) > 0) yield name
      continue
    }
    if (!recursive || (compareKeys(name, after) < 0 && !after.startsWith(name))) continue
    if (depth >= DEPTH_MAX) {
      throw new Failure('argument-invalid', `${name}: directories are deeper than ${DEPTH_MAX}`)
    }
    yield* names(walk, name, depth + 1)
  }
}

async function entriesOf(path: string): Promise<readonly Dirent[]> {
  try {
    return await readEntries(path)
  } catch (error) {
    // Removed meanwhile.
    if (isAbsent(error)) return []
    throw diskError(path, error)
  }
}

async function readEntries(path: string): Promise<readonly Dirent[]> {
  const entries = await readdir(path, { withFileTypes: true })
  return entries.filter((entry) => entry.isFile() || entry.isDirectory())
}
