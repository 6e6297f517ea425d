import { closeSync, constants, fstatSync, openSync } from 'node:fs'

/** Offset, length and memory of a direct write are multiples of this: the largest block that disks have. */
export const DIRECT_ALIGNMENT_BYTES = 4096

/** Disks that refused it; asked once each. */
const refusing = new Set<number>()

/**
 * A second descriptor of an open file, for writing past the page cache (`O_DIRECT`).
 *
 * @returns undefined where the system or the file system has no such thing
 */
export function openDirect(fd: number): number | undefined {
  if (process.platform !== 'linux') return undefined
  const { dev } = fstatSync(fd)
  if (refusing.has(dev)) return undefined
  try {
    // By descriptor and not by name: a work file may have lost or changed its name.
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DIRECT)
  } catch (error) {
    // Anything else (no descriptors left, no /proc) may pass; the ordinary way works meanwhile.
    if (isRefusal(error)) refusing.add(dev)
    return undefined
  }
}

/** Notes that the disk of this file took the flag and refuses the writes, and closes the descriptor. */
export function refuseDirect(fd: number): void {
  refusing.add(fstatSync(fd).dev)
  closeSync(fd)
}

/** True for the error by which a file system says that it cannot write directly, or not like this. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EINVAL'
}
