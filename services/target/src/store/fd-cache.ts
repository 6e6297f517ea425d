import { close, closeSync, constants, fstatSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { isFailure } from '@forebay/base/failure'
import { diskFailure } from '../os/disk-gate.ts'
import { openFilesShare } from '../os/open-files.ts'
import type { FileLease, ObjectRecord } from './contract.ts'
import { errorCode } from './journal.ts'
import { isPackPath } from './pack-place.ts'
import type { Packs } from './packs.ts'

/** Open files kept when the process may have enough; each costs about 1 KiB of kernel memory. */
export const OPEN_FILES_MAX = 4096

/** A file is put behind all others only so far apart: part of the files kept, since it costs as much as a small read. */
const MOVE_SHARE = 1 / 4

interface OpenFile {
  readonly fd: number
  readonly mountpath: number
  readonly inode: number
  leases: number
  /** Count of look-ups when it was last put behind all others. */
  movedAt: number
  /** Out of the cache: closed with the last lease. */
  dropped: boolean
}

/** What the cache must know of a mountpath to check a file. */
export interface FileRoot {
  readonly root: string
  readonly device: number
}

/** A mountpath's own part of it. */
interface FilesOf {
  readonly mountpath: FileRoot
  readonly packs: Packs
}

/**
 * Open files of whole versions, least recently used closed first, never one on loan: an overwrite or
 * an eviction leaves the readers of the old bytes alone, since the descriptor keeps the inode.
 */
export class FdCache {
  readonly #drives: () => ReadonlyMap<number, FilesOf>
  readonly #openMax: number
  /** By stamp counter, in order of use but for `MOVE_SHARE`: one that was used so lately stays where it is. */
  readonly #files = new Map<number, OpenFile>()
  #lookUps = 0

  /** @param openMax files kept; fewer where the process may not have so many descriptors */
  constructor(drives: () => ReadonlyMap<number, FilesOf>, openMax = OPEN_FILES_MAX) {
    this.#drives = drives
    this.#openMax = Math.min(openMax, openFilesShare())
  }

  get size(): number {
    return this.#files.size
  }

  /**
   * @returns undefined when the file is missing, of another inode or size, or no regular file
   * @throws Failure `slow-down` when no descriptor is left, `disk-error` when the disk cannot say
   */
  lease(record: ObjectRecord): FileLease | undefined {
    if (isPackPath(record.location.path)) return this.#leasePacked(record)
    const file = this.#find(record)
    if (file === undefined) return undefined
    file.leases += 1
    let released = false
    return {
      fd: file.fd,
      offset: 0,
      release: () => {
        if (released) return
        released = true
        file.leases -= 1
        if (file.dropped && file.leases === 0) closeLater(file.fd)
      },
    }
  }

  /** Forgets the version; its file is closed when the last lease ends. */
  drop(record: ObjectRecord): void {
    const file = this.#files.get(record.stamp.counter)
    if (file !== undefined) this.#drop(record.stamp.counter, file)
  }

  /** Forgets the files of a mountpath that leaves. */
  dropMountpath(mountpath: number): void {
    for (const [counter, file] of this.#files) {
      if (file.mountpath === mountpath) this.#drop(counter, file)
    }
  }

  /** Closes every file that nobody reads now, of packs too, at once. @returns false when there is none */
  shed(): boolean {
    const idle = [...this.#files].filter(([, { leases }]) => leases === 0)
    for (const [counter, { fd }] of idle) {
      this.#files.delete(counter)
      closeSync(fd)
    }
    const shedPacks = [...this.#drives().values()].filter(({ packs }) => packs.shed())
    return idle.length + shedPacks.length > 0
  }

  close(): void {
    for (const [counter, file] of this.#files) this.#drop(counter, file)
  }

  #find(record: ObjectRecord): OpenFile | undefined {
    const { counter } = record.stamp
    const { mountpath, inode } = record.location
    this.#lookUps += 1
    const known = this.#files.get(counter)
    if (known !== undefined) {
      if (known.mountpath === mountpath && known.inode === inode) {
        this.#moveToEnd(counter, known)
        return known
      }
      this.#drop(counter, known)
    }
    const fd = this.#open(record)
    if (fd === undefined) return undefined
    const movedAt = this.#lookUps
    const file: OpenFile = { fd, mountpath, inode, leases: 0, movedAt, dropped: false }
    this.#files.set(counter, file)
    if (this.#files.size > this.#openMax) this.#closeOldest()
    return file
  }

  #moveToEnd(counter: number, file: OpenFile): void {
    if (this.#lookUps - file.movedAt <= this.#openMax * MOVE_SHARE) return
    file.movedAt = this.#lookUps
    this.#files.delete(counter)
    this.#files.set(counter, file)
  }

  /** Packs keep their descriptors themselves. */
  #leasePacked({ location, attributes }: ObjectRecord): FileLease | undefined {
    const packs = this.#drives().get(location.mountpath)?.packs
    return packs?.lease(location, attributes.sizeBytes)
  }

  #open(record: ObjectRecord): number | undefined {
    const root = this.#drives().get(record.location.mountpath)?.mountpath
    if (root === undefined) return undefined
    return this.#shedding(() => openChecked(root, record, constants.O_RDONLY))
  }

  /** Once more without the files that nobody reads now, where no descriptor is left. */
  #shedding<T>(open: () => T): T {
    try {
      return open()
    } catch (error) {
      if (!isFailure(error, 'slow-down') || !this.shed()) throw error
      return open()
    }
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
 * What `open` says where something else than the record's file has its name, or nothing: no such name,
 * a link, a directory, a socket or a pipe. Every other error tells nothing about the record.
 */
const NOT_THE_FILE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'])

/**
 * A descriptor of the record's file if that is what the record says: the inode on the mountpath's
 * device, a regular file, of the right size. Nothing is followed and nothing waited for, whatever
 * lies there (a link, a pipe).
 *
 * @throws Failure `slow-down` when no descriptor is left, `disk-error` when the disk cannot say
 */
export function openChecked(
  root: FileRoot,
  record: ObjectRecord,
  access: number,
): number | undefined {
  const fd = openIfThere(join(root.root, record.location.path), access)
  if (fd === undefined) return undefined
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

function openIfThere(path: string, access: number): number | undefined {
  try {
    return openSync(path, access | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (NOT_THE_FILE.has(errorCode(error) ?? '')) return undefined
    throw diskFailure(error, 'the file of an object cannot be opened')
  }
}

/** Off the loop: the last close of an unlinked file frees its blocks, which takes long for a large one. */
function closeLater(fd: number): void {
  close(fd, () => undefined)
}
