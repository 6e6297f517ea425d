import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readlink, realpath, unlink } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { Failure } from '@forebay/base/failure'
import type { ItemVersion } from '@forebay/jobs/job'
import type { IncomingBody } from '@forebay/peer/bodies'
import { pumpFile } from '../../objects/source-body.ts'

/** A file that is to become an object, open. */
export interface PromotedFile {
  readonly sizeBytes: number
  readonly version: ItemVersion
  /** Its bytes; fails with `object-busy` when they changed while they were read. */
  body(): IncomingBody
  close(): Promise<void>
}

interface Stats {
  readonly dev: bigint
  readonly ino: bigint
  readonly size: bigint
  readonly ctimeNs: bigint
  readonly mtimeMs: bigint
}

/** Every write of a file moves its ctime, which nobody can set. */
function versionOf({ dev, ino, size, ctimeNs, mtimeMs }: Stats): ItemVersion {
  return { etag: `${dev}-${ino}-${size}-${ctimeNs}`, lastModifiedMs: Number(mtimeMs) }
}

/** The version of what a path names, links not followed; `undefined` where there is no regular file. */
export async function versionOfPath(
  path: string,
): Promise<(ItemVersion & { readonly sizeBytes: number }) | undefined> {
  try {
    const stats = await lstat(path, { bigint: true })
    return stats.isFile() ? { ...versionOf(stats), sizeBytes: Number(stats.size) } : undefined
  } catch (error) {
    if (isAbsent(error)) return undefined
    throw diskError(path, error)
  }
}

/**
 * Opens a regular file by a path without links in it.
 *
 * @returns undefined where there is none
 * @throws Failure `disk-error`
 */
export async function openFile(path: string): Promise<PromotedFile | undefined> {
  // Opening a pipe would wait for its writer.
  const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK
  let handle: FileHandle | undefined
  try {
    handle = await open(path, flags)
    const file = await opened(handle, path)
    if (file === undefined) await handle.close()
    return file
  } catch (error) {
    await handle?.close()
    if (isAbsent(error)) return undefined
    throw diskError(path, error)
  }
}

async function opened(handle: FileHandle, path: string): Promise<PromotedFile | undefined> {
  const stats = await handle.stat({ bigint: true })
  if (!stats.isFile()) return undefined
  const version = versionOf(stats)
  if (!(await isAt(handle, path))) return undefined
  if ((await versionOfPath(path))?.etag !== version.etag) return undefined
  const sizeBytes = Number(stats.size)
  return {
    sizeBytes,
    version,
    body: () => ({
      lengthBytes: sizeBytes,
      digestsNeeded: [],
      pump: async (write, signal) => {
        const waitFor = (offset: number): number => sizeBytes - offset
        await pumpFile({ fd: handle.fd, offset: 0, lengthBytes: sizeBytes, waitFor }, write, signal)
        const after = versionOf(await handle.stat({ bigint: true }))
        if (after.etag === version.etag) return
        throw new Failure('object-busy', `${path} changed while it was read`)
      },
      judge: () => ({ checksums: [] }),
    }),
    close: () => handle.close(),
  }
}

/**
 * Deletes the file of a path without links in it, while it is of this version.
 *
 * @throws Failure `disk-error`
 */
export async function removeFile(path: string, version: ItemVersion): Promise<void> {
  const flags = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW
  let folder: FileHandle | undefined
  try {
    folder = await open(dirname(path), flags)
    if (!(await isAt(folder, dirname(path)))) return
    // By the open directory: whatever its path leads to by now, the name is one in it.
    const name = IS_LINUX ? `${pathOf(folder)}/${basename(path)}` : path
    if ((await versionOfPath(name))?.etag === version.etag) await unlink(name)
  } catch (error) {
    if (!isAbsent(error)) throw diskError(path, error)
  } finally {
    await folder?.close()
  }
}

const IS_LINUX = process.platform === 'linux'

/** Of what is open, whatever became of its name. */
function pathOf({ fd }: FileHandle): string {
  return `/proc/self/fd/${fd}`
}

/**
 * True when what is open was reached without a link. A directory on the way may be one for a moment, over
 * and over: who asks by name would see it before and behind that moment, so the kernel is asked about the
 * descriptor. Elsewhere than on Linux Node cannot.
 */
async function isAt(handle: FileHandle, path: string): Promise<boolean> {
  return (IS_LINUX ? await readlink(pathOf(handle)) : await realpath(path)) === path
}

const ABSENT = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENXIO']

export function isAbsent(error: unknown): boolean {
  return error instanceof Error && 'code' in error && ABSENT.includes(String(error.code))
}

/** What the operating system says, with a path that the caller gave. */
export function diskError(path: string, cause: unknown): Failure {
  const code = cause instanceof Error && 'code' in cause ? ` (${String(cause.code)})` : ''
  return new Failure('disk-error', `${path} cannot be read${code}`, { cause })
}
