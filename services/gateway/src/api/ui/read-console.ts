import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { extname, join, relative, sep } from 'node:path'

/** Bytes of all files of a console together; more is no console of ours. */
export const CONSOLE_BYTES_MAX = 4 * 1024 ** 2

/** One file of the console, ready to be sent. */
export interface ConsoleFile {
  readonly contentType: string
  /** Strong, with its quotes (RFC 9110 §8.8.3); the compressed form has another one. */
  readonly etag: string
  readonly bytes: Buffer
  readonly gzip: { readonly etag: string; readonly bytes: Buffer } | undefined
  /** True where the name has a digest of the content in it: it never changes. */
  readonly immutable: boolean
}

const CONTENT_TYPES: ReadonlyMap<string, string> = new Map([
  ['.html', 'text/html; charset=utf-8'],
  ['.js', 'text/javascript; charset=utf-8'],
  ['.css', 'text/css; charset=utf-8'],
  ['.svg', 'image/svg+xml'],
])

/**
 * Every file of a built console by its path, such as `assets/index-Bx81.js`.
 *
 * @returns undefined when the folder is not there: the console was not built
 */
export async function readConsole(
  folder: string,
): Promise<ReadonlyMap<string, ConsoleFile> | undefined> {
  const paths = await listFiles(folder)
  if (paths === undefined) return undefined
  const bytesByPath = new Map<string, Buffer>()
  let totalBytes = 0
  for (const path of paths) {
    const bytes = await readFile(join(folder, path))
    totalBytes += bytes.length
    if (totalBytes > CONSOLE_BYTES_MAX) {
      throw new Error(`${folder} has more than ${CONSOLE_BYTES_MAX} bytes`)
    }
    bytesByPath.set(path.split(sep).join('/'), bytes)
  }
  return new Map(
    [...bytesByPath].flatMap(([path, bytes]): [string, ConsoleFile][] => {
      const contentType = CONTENT_TYPES.get(extname(path))
      if (contentType === undefined) return []
      const packed = bytesByPath.get(`${path}.gz`)
      return [
        [
          path,
          {
            contentType,
            etag: etagOf(bytes),
            bytes,
            gzip: packed === undefined ? undefined : { etag: etagOf(packed), bytes: packed },
            immutable: path.startsWith('assets/'),
          },
        ],
      ]
    }),
  )
}

async function listFiles(folder: string): Promise<readonly string[] | undefined> {
  try {
    const entries = await readdir(folder, { recursive: true, withFileTypes: true })
    return entries
      .filter((entry) => entry.isFile())
      .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}

function etagOf(bytes: Buffer): string {
  return `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`
}
