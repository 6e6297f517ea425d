import { type FileHandle, open, stat } from 'node:fs/promises'
import type { AccessSink } from './access-log.ts'

const MODE = 0o640

/**
 * An access log in a file, appended to. When the file was renamed or removed (log rotation), the next
 * write goes to a new one of the same name.
 *
 * @throws the system's error when the file cannot be opened
 */
export async function openFileSink(path: string): Promise<AccessSink> {
  let file: FileHandle = await open(path, 'a', MODE)
  return {
    write: async (text) => {
      // A look-up a batch, not a line.
      if (!(await isAt(file, path))) {
        const before = file
        file = await open(path, 'a', MODE)
        await before.close()
      }
      await file.appendFile(text)
    },
    close: () => file.close(),
  }
}

/** True when the open file is the one of this name. */
async function isAt(file: FileHandle, path: string): Promise<boolean> {
  try {
    const [opened, named] = await Promise.all([file.stat(), stat(path)])
    return opened.ino === named.ino && opened.dev === named.dev
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return false
    throw error
  }
}

/** An access log on standard output. */
export function stdoutSink(): AccessSink {
  return {
    write: (text) =>
      new Promise((resolve, reject) => {
        process.stdout.write(text, (error) => {
          if (error === undefined || error === null) resolve()
          else reject(error)
        })
      }),
    close: () => Promise.resolve(),
  }
}
