import { close, constants, fstatSync, open } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { isFailure } from '@forebay/base/failure'
import type { DamageKind } from '@forebay/peer/scrub-port'
import { isRefusal } from '../os/direct-file.ts'
import { type DiskGate, diskFailure, diskGateOf, isExhausted } from '../os/disk-gate.ts'
import { readAt } from '../os/file-io.ts'
import { pageAlignedBuffer } from '../os/libc.ts'
import type { ObjectRecord } from '../store/contract.ts'
import { errorCode } from '../store/journal.ts'
import { canHold, fileAt } from '../store/pack-place.ts'
import type { Drive } from '../store/store-context.ts'

const openAsync = promisify(open)

/** Unit of reads, bytes; a multiple of what any disk reads directly. */
export const SCRUB_SLICE_BYTES = 1024 ** 2

/** Direct reads are made of whole pages. */
const PAGE_BYTES = 4096

const READ_ONLY = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK

/**
 * The file of a record, opened to be read once from the disk itself: past the page cache where the
 * file system can do that, so that what users have in memory stays there, and what is judged is what
 * the disk has.
 */
export class EntryFile {
  readonly #fd: number
  /** Of the object in the file: whole pages. */
  readonly #offset: number
  readonly #gate: DiskGate
  readonly #buffer: Buffer

  constructor(
    { fd, offset }: { readonly fd: number; readonly offset: number },
    gate: DiskGate,
    sizeBytes: number,
  ) {
    this.#fd = fd
    this.#offset = offset
    this.#gate = gate
    const bytes = Math.min(SCRUB_SLICE_BYTES, Math.ceil(sizeBytes / PAGE_BYTES) * PAGE_BYTES)
    this.#buffer = pageAlignedBuffer(Math.max(PAGE_BYTES, bytes)) ?? Buffer.allocUnsafeSlow(bytes)
  }

  /**
   * The bytes of a range, fewer where the file ends; good until the next read.
   *
   * @param range from a multiple of 4 KiB on, at most a slice
   * @throws Failure `disk-error` | `slow-down`
   */
  async read(
    { offset, lengthBytes }: { readonly offset: number; readonly lengthBytes: number },
    signal: AbortSignal,
  ): Promise<Buffer> {
    const pages = this.#buffer.subarray(0, Math.ceil(lengthBytes / PAGE_BYTES) * PAGE_BYTES)
    const at = this.#offset + offset
    const bytesRead = await this.#gate.run(() => readAt(this.#fd, pages, at), { signal })
    return pages.subarray(0, Math.min(bytesRead, lengthBytes))
  }

  close(): void {
    close(this.#fd, () => undefined)
  }
}

/** @returns the file, or what is wrong with it. @throws Failure `disk-error` | `slow-down` */
export async function openEntry(
  drive: Drive,
  record: ObjectRecord,
): Promise<EntryFile | DamageKind> {
  const { file, offset } = fileAt(record.location.path)
  const path = join(drive.mountpath.root, file)
  try {
    const gate = diskGateOf(drive.mountpath.fd)
    const fd = await openFor(gate, path, record.attributes.sizeBytes)
    const damage = judge(fd, drive, record)
    if (damage === undefined)
      return new EntryFile({ fd, offset }, gate, record.attributes.sizeBytes)
    close(fd, () => undefined)
    return damage
  } catch (error) {
    const code = errorCode(error)
    if (code === 'ENOENT') return 'missing'
    if (code !== undefined && NOT_A_FILE.has(code)) return 'wrong-file'
    if (code === 'EIO') return 'unreadable'
    throw diskFailure(error, 'the file of an object cannot be opened')
  }
}

/** A link, a directory, a socket or a pipe where the file should be. */
const NOT_A_FILE: ReadonlySet<string> = new Set(['ENOTDIR', 'ELOOP', 'EISDIR', 'ENXIO'])

function judge(fd: number, { mountpath }: Drive, record: ObjectRecord): DamageKind | undefined {
  const stat = fstatSync(fd)
  const ours = stat.ino === record.location.inode && stat.dev === mountpath.device
  if (!stat.isFile() || !ours) return 'wrong-file'
  const { location, attributes } = record
  return canHold(location.path, attributes.sizeBytes, stat.size) ? undefined : 'wrong-size'
}

async function openFor(gate: DiskGate, path: string, sizeBytes: number): Promise<number> {
  // Without memory at a page there is no direct reading.
  const direct = process.platform === 'linux' && sizeBytes > 0 && canAlign
  if (!direct) return openGated(gate, path, READ_ONLY)
  try {
    return await openGated(gate, path, READ_ONLY | constants.O_DIRECT)
  } catch (error) {
    if (!isRefusal(error)) throw error
    return openGated(gate, path, READ_ONLY)
  }
}

const canAlign = pageAlignedBuffer(PAGE_BYTES) !== undefined

/** A descriptor that comes after nobody waits for it is closed. */
async function openGated(gate: DiskGate, path: string, flags: number): Promise<number> {
  let givenUp = false
  try {
    return await gate.run(async () => {
      const fd = await openAsync(path, flags)
      if (givenUp) close(fd, () => undefined)
      return fd
    })
  } catch (error) {
    givenUp = true
    throw error
  }
}

/** True when the disk said that it cannot read the bytes; not when it did not answer, or had no room. */
export function isUnreadable(error: unknown): boolean {
  if (!isFailure(error, 'disk-error') || isExhausted(error.cause)) return false
  return errorCode(error.cause) === 'EIO'
}
