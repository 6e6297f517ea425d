import { fstatSync } from 'node:fs'

/** An error by which a disk or its file system says that it fails, and where. */
export interface DiskError {
  readonly code: string
  /** The name that was used, where one was. */
  readonly path: string | undefined
  /** Device of the file that was used, where a descriptor was. */
  readonly device: number | undefined
}

/** What a failing disk says; a full one, a missing name and too many open files are no failure of it. */
const FAILURES: ReadonlySet<string> = new Set([
  'EIO',
  'EROFS',
  'ENODEV',
  'ENXIO',
  'EUCLEAN',
  'EBADMSG',
  'ESTALE',
  'EREMOTEIO',
  'ENOTCONN',
  'ESHUTDOWN',
  'ETIMEDOUT',
  'ENOMEDIUM',
])

type Listener = (error: DiskError) => void

const listeners = new Set<Listener>()

/** Tells of every such error from now on. @returns ends it */
export function onDiskError(listener: Listener): () => void {
  listeners.add(listener)
  return () => void listeners.delete(listener)
}

/** Passes an error of the system on to those who watch disks, if it is one of theirs. */
export function tellDiskError(error: Error & { readonly code: unknown }, fd?: number): void {
  const { code } = error
  if (listeners.size === 0 || typeof code !== 'string' || !FAILURES.has(code)) return
  const path = 'path' in error && typeof error.path === 'string' ? error.path : undefined
  const told = { code, path, device: deviceOf(fd) }
  for (const listener of listeners) listener(told)
}

function deviceOf(fd: number | undefined): number | undefined {
  if (fd === undefined) return undefined
  try {
    return fstatSync(fd).dev
  } catch {
    // Closed meanwhile: nobody knows any more where it was.
    return undefined
  }
}
