import { randomBytes } from 'node:crypto'
import { open, readFile, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { errorCode } from '../store/journal.ts'
import { markerPath } from '../store/mountpath-state.ts'
import { RESERVED_NAME } from '../store/naming.ts'

/** Bytes that a probe writes and reads back. */
const PROBE_BYTES = 4096

/** The mountpath that is meant. */
export interface ProbedMountpath {
  readonly path: string
  readonly uuid: string
  /** Of its file system; undefined for one that is away. */
  readonly device: number | undefined
}

/**
 * Whether a mountpath is there and is the one that it was: by its file system and its marker. Nothing
 * is written.
 *
 * @returns what is wrong, one sentence; undefined when nothing is
 */
export function lookAt(mountpath: ProbedMountpath, timeoutMs: number): Promise<string | undefined> {
  const { path, uuid, device } = mountpath
  return judge(timeoutMs, async (step) => {
    const { dev } = await step('looking at it', stat(path))
    if (device !== undefined && dev !== device) return 'another file system is in its place'
    const text = await step('reading its marker', readFile(markerPath(path), 'utf8'))
    return text.includes(uuid) ? undefined : 'another mountpath is in its place'
  })
}

/**
 * Writes a file, brings it to disk, reads it back and removes it, each step within the time limit.
 *
 * @returns what is wrong, one sentence; undefined when nothing is. A full disk is not wrong.
 */
export async function probe(
  mountpath: ProbedMountpath,
  timeoutMs: number,
): Promise<string | undefined> {
  const seen = await lookAt(mountpath, timeoutMs)
  if (seen !== undefined) return seen
  const name = join(mountpath.path, RESERVED_NAME, 'probe')
  const written = randomBytes(PROBE_BYTES)
  return judge(timeoutMs, async (step) => {
    const file = await step('opening a file', open(name, 'w+', 0o600))
    try {
      await step('writing', file.write(written, 0, PROBE_BYTES, 0))
      await step('bringing it to disk', file.sync())
      const read = Buffer.alloc(PROBE_BYTES)
      await step('reading it back', file.read(read, 0, PROBE_BYTES, 0))
      if (!read.equals(written)) return 'it reads other bytes than were written'
      await step('removing a file', unlink(name))
      return undefined
    } finally {
      // Not waited for: a disk that hangs would hold the probe.
      void file.close().catch(() => undefined)
    }
  })
}

type Step = <T>(what: string, doing: Promise<T>) => Promise<T>

/** A step that took too long; what it does may still be going on. */
class TooLate extends Error {}

async function judge(
  timeoutMs: number,
  look: (step: Step) => Promise<string | undefined>,
): Promise<string | undefined> {
  let doing = ''
  const step: Step = async (what, promise) => {
    doing = what
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(new TooLate()), timeoutMs)
    try {
      return await Promise.race([promise, late.promise])
    } finally {
      clearTimeout(timer)
    }
  }
  try {
    return await look(step)
  } catch (error) {
    if (error instanceof TooLate) return `${doing} took more than ${timeoutMs} ms`
    const code = errorCode(error)
    if (code === 'ENOSPC' || code === 'EDQUOT') return undefined
    if (code === 'ENOENT') return 'it is not there; its disk may not be mounted'
    return `${doing} failed: ${code ?? String(error)}`
  }
}
