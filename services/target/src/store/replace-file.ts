import { open, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { syncDirectory } from './directory-sync.ts'

/** Replaces a small document: after a crash at any instant it is the old one or the new one, whole. */
export async function replaceFile(
  path: string,
  content: string | Uint8Array | AsyncIterable<Uint8Array>,
): Promise<void> {
  const temporary = `${path}.new`
  const file = await open(temporary, 'w', 0o600)
  try {
    await file.writeFile(content)
    await file.datasync()
  } finally {
    await file.close()
  }
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}
