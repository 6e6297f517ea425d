import { Buffer } from 'node:buffer'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { SegmentFile } from './journal-read.ts'
import { OWN } from './mountpath.ts'
import { replaceFile } from './replace-file.ts'

/** Most bytes of one run that are kept for inspection. */
const KEPT_BYTES_MAX = 16 * 1024 ** 2

/** Keeps a copy of bytes of a journal that do not check, for people; nothing reads it again. */
export async function quarantine(
  root: string,
  segment: SegmentFile,
  run: { readonly offset: number; readonly length: number },
): Promise<void> {
  const bytes = Buffer.alloc(Math.min(run.length, KEPT_BYTES_MAX))
  const file = await open(segment.path, 'r')
  try {
    await file.read(bytes, 0, bytes.length, run.offset)
  } finally {
    await file.close()
  }
  await replaceFile(join(root, OWN.quarantine, `${segment.number}-${run.offset}`), bytes)
}
