import { close, closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileLease, ObjectRecord } from './contract.ts'

/** Open files kept when the process may have enough; each costs about 1 KiB of kernel memory. */
export const OPEN_FILES_MAX = 4096

/** Share of the process's descriptors that the cache may use: sockets need the rest. */
const LIMIT_SHARE = 0.5

interface OpenFile {
  readonly fd: number
  readonly mountpath: number
  readonly inode: number
  leases: number
  /** Out of the cache: closed with the last lease. */
  dropped: boolean
}

/** What the cache must know of a mountpath to check a file. */
export interface FileRoot {
  readonly root: string
  readonly device: number
}

/**
 * Open files of whole versions, least recently used closed first, never one on loan: an overwrite or
 * an eviction leaves the readers of the old bytes alone, since the descriptor keeps the inode.
 */
export class FdCache {
  readonly #rootOf: (mountpath: number) => FileRoot | undefined
  readonly #openMax: number
  /** By stamp counter, in order of use. */
  readonly #files = new Map<number, OpenFile>()

  constructor(rootOf: (mountpath: number) => FileRoot | undefined, openMax = defaultOpenMax()) {
    this.#rootOf = rootOf
    this.#openMax = openMax
  }

  get size(): number {
    return this.#files.size
  }

  /** @returns undefined when the file is missing, of another inode or size, or no regular file */
  lease(record: ObjectRecord): FileLease | undefined {
    const file = this.#find(record)
    if (file === undefined) return undefined
    file.leases += 1
    let released = false
    return {
      fd: file.fd,
      release: () => {
        if (released) return
        released = true
        file.leases -= 1
        if (file.dropped && file.leases === 0) closeLater(file.fd)
      },
    }
  }

  /** Opens the file if need be, so that readers have it while its name changes. */
  hold(record: ObjectRecord): void {
    this.#find(record)
  }

  /** Forgets the version; its file is closed when the last lease ends. */
  drop(record: ObjectRecord): void {
    const file = this.#files.get(record.stamp.counter)
    if (file !== undefined) this.#drop(record.stamp.counter, file)
  }

  close(): void {
    for (const [counter, file] of this.#files) this.#drop(counter, file)
  }

  #find(record: ObjectRecord): OpenFile | undefined {
    const { counter } = record.stamp
    const { mountpath, inode } = record.location
    const known = this.#files.get(counter)
    if (known !== undefined) {
      if (known.mountpath === mountpath && known.inode === inode) {
        this.#files.delete(counter)
        this.#files.set(counter, known)
        return known
      }
      this.#drop(counter, known)
    }
    const fd = this.#open(record)
    if (fd === undefined) return undefined
    const file: OpenFile = { fd, mountpath, inode, leases: 0, dropped: false }
    this.#files.set(counter, file)
    if (this.#files.size > this.#openMax) this.#closeOldest()
    return file
  }

  #open(record: ObjectRecord): number | undefined {
    const root = this.#rootOf(record.location.mountpath)
    return root === undefined ? undefined : openChecked(root, record, constants.O_RDONLY)
  }

  #closeOldest(): void {
    for (const [counter, file] of this.#files) {
      this.#drop(counter, file)
      return
    }
  }

  #drop(counter: number, file: OpenFile): void {
    this.#files.delete(counter)
    file.dropped = true
    if (file.leases === 0) closeLater(file.fd)
  }
}

/**
 * A descriptor of the record's file if that is what the record says: the inode on the mountpath's
 * device, a regular file, of the right size. Nothing is followed and nothing waited for, whatever
 * lies there (a link, a pipe).
 */
export function openChecked(
  root: FileRoot,
  record: ObjectRecord,
  access: number,
): number | undefined {
  let fd: number
  try {
    fd = openSync(
      join(root.root, record.location.path),
      access | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    )
  } catch {
    // Missing, a link, a socket, a directory opened for writing: all mean "not the record's file".
    return undefined
  }
  const stat = fstatSync(fd)
  if (
    stat.isFile() &&
    stat.ino === record.location.inode &&
    stat.dev === root.device &&
    stat.size === record.attributes.sizeBytes
  ) {
    return fd
  }
  closeSync(fd)
  return undefined
}

/** Off the loop: the last close of an unlinked file frees its blocks, which takes long for a large one. */
function closeLater(fd: number): void {
  close(fd, () => undefined)
}

function defaultOpenMax(): number {
  const match = /^Max open files\s+(\d+)/m.exec(readLimits())
  const limit = match === null ? 1024 : Number(match[1])
  return Math.max(16, Math.min(OPEN_FILES_MAX, Math.floor(limit * LIMIT_SHARE)))
}

function readLimits(): string {
  try {
    return readFileSync('/proc/self/limits', 'utf8')
  } catch {
    // No /proc: the smallest limit that systems give is assumed.
    return ''
  }
}
