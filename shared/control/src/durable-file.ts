import { mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'

/** Bytes of a metadata document that are read; a table of 10,000 buckets has about 5 MiB. */
export const DOCUMENT_BYTES_MAX = 64 * 1024 ** 2

/**
 * Puts `text` in the place of a small file; after a crash at any instant the file is the old one or
 * the new one, whole. Durable when the promise resolves.
 *
 * The steps are failpoints: `<name>.written`, `.synced`, `.renamed`.
 *
 * @throws Failure `disk-error`: the file is the old one, or the new one that may not last
 */
export async function replaceFile(path: string, text: string, name: string): Promise<void> {
  const temporary = `${path}.tmp`
  try {
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(text)
      await failpoint(`${name}.written`)
      await file.sync()
    } finally {
      await file.close()
    }
    await failpoint(`${name}.synced`)
    await rename(temporary, path)
    await failpoint(`${name}.renamed`)
    await syncDirectory(dirname(path))
  } catch (cause) {
    throw diskError(`cannot write ${path}`, cause)
  }
}

/**
 * The text of a small file; undefined when there is none.
 *
 * @throws Failure `disk-error`, also for a file over `DOCUMENT_BYTES_MAX`
 */
export async function readText(path: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path)
    if (bytes.length > DOCUMENT_BYTES_MAX) {
      throw new Failure('disk-error', `${path} is longer than ${DOCUMENT_BYTES_MAX} bytes`)
    }
    return bytes.toString('utf8')
  } catch (cause) {
    if (hasCode(cause, 'ENOENT')) return undefined
    throw diskError(`cannot read ${path}`, cause)
  }
}

/**
 * Makes the directory where it is missing and removes what a crash in `replaceFile` left of `paths`.
 *
 * @throws Failure `disk-error`
 */
export async function prepareDirectory(path: string, paths: readonly string[]): Promise<void> {
  try {
    await mkdir(path, { recursive: true })
    for (const each of paths) await rm(`${each}.tmp`, { force: true })
  } catch (cause) {
    throw diskError(`cannot use the directory ${path}`, cause)
  }
}

/** A rename lasts only when its directory is on disk. */
async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r')
  try {
    await directory.sync()
  } finally {
    await directory.close()
  }
}

function diskError(what: string, cause: unknown): Failure {
  if (cause instanceof Failure) return cause
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new Failure('disk-error', `${what}${why}`, { cause })
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
