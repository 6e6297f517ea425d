import { type FileHandle, open } from 'node:fs/promises'
import type { AccessSink } from './access-log.ts'

/**
 * An access log in a file, appended to. After `reopen` (for log rotation) lines go to a new file of
 * the same name.
 *
 * @throws the system's error when the file cannot be opened
 */
export async function openFileSink(
  path: string,
): Promise<AccessSink & { reopen(): Promise<void> }> {
  let file: FileHandle = await open(path, 'a', 0o640)
  return {
    write: (text) => file.appendFile(text),
    reopen: async () => {
      const next = await open(path, 'a', 0o640)
      const before = file
      file = next
      await before.close()
    },
    close: () => file.close(),
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
