/**
 * System calls that Node lacks, by `node:ffi`: the only module that loads it. Where it is missing
 * (switched off, another platform, another libc) every function here has an answer all the same.
 *
 * 64-bit numbers cross as BigInt. errno is never asked for: a second call could have changed it.
 */

import type * as Ffi from 'node:ffi'
import { readFileSync, realpathSync, statSync } from 'node:fs'

/** cachestat(2), since Linux 6.5; the same number on every architecture. */
const SYS_CACHESTAT = 451n
const CLOCK_BOOTTIME = 7
const AT_FDCWD = -100
/** fallocate(2): gives blocks back to the file system and leaves the file as long as it is. */
const FALLOC_FL_KEEP_SIZE = 1
const FALLOC_FL_PUNCH_HOLE = 2
/** ioctl(2): bytes of a socket that its peer has not acknowledged. */
const SIOCOUTQ = 0x5411n

/** struct statx, and where in it lie the fields we read. */
const STATX_BYTES = 256
const STATX_MNT_ID_UNIQUE = 0x4000
const STATX_AT = { mask: 0, deviceMajor: 136, deviceMinor: 140, mountId: 144 } as const

/** Everything is bound by itself, so that a libc without one function keeps the others. */
const ffi = loadFfi()
const sendfileCall = bind('sendfile', {
  arguments: ['int32', 'int32', 'buffer', 'uint64'],
  return: 'int64',
})
const syncfsCall = bind('syncfs', { arguments: ['int32'], return: 'int32' })
const statxCall = bind('statx', {
  arguments: ['int32', 'string', 'int32', 'uint32', 'buffer'],
  return: 'int32',
})
const clockCall = bind('clock_gettime', { arguments: ['int32', 'buffer'], return: 'int32' })
const ioctlCall = bind('ioctl', { arguments: ['int32', 'uint64', 'buffer'], return: 'int32' })
const syscallCall = bind('syscall', {
  arguments: ['int64', 'int64', 'buffer', 'buffer', 'int64'],
  return: 'int64',
})
const fallocateCall = bind('fallocate', {
  arguments: ['int32', 'int32', 'int64', 'int64'],
  return: 'int32',
})
const pageSizeCall = bind('getpagesize', { arguments: [], return: 'int32' })
const PAGE_BYTES = pageSizeCall?.() ?? 4096

/** Buffers for arguments; every call is synchronous, so one set serves all. */
const offsetCell = Buffer.alloc(8)
const rangeCell = Buffer.alloc(16)
const statsCell = Buffer.alloc(40)
const countCell = Buffer.alloc(4)

/** Whether `sendfile` is bound at all; whether it works, `detectSendfile` says. */
export const hasSendfile = sendfileCall !== undefined

/** Whether `fallocate` is bound at all; which file systems can punch holes, a trial says. */
export const hasFallocate = fallocateCall !== undefined

/** Whether `syncfs` is bound. */
export const hasSyncfs = syncfsCall !== undefined

/**
 * sendfile(2): bytes moved from the file to the socket, fewer than asked for when the socket is full;
 * 0 at the end of the file; -1 when the socket is full, on any error, and without ffi.
 *
 * Blocks on pages that are not in memory; ask `cachestatResident` first.
 */
export function sendfile(
  descriptors: { readonly socketFd: number; readonly fileFd: number },
  offset: number,
  lengthBytes: number,
): number {
  if (sendfileCall === undefined) return -1
  writeUint64(offsetCell, offset, 0)
  const { socketFd, fileFd } = descriptors
  return Number(sendfileCall(socketFd, fileFd, offsetCell, BigInt(lengthBytes)))
}

/**
 * Whether every page of a range within the file is in memory.
 *
 * @returns undefined when the system cannot say
 */
export function cachestatResident(
  fd: number,
  offset: number,
  lengthBytes: number,
): boolean | undefined {
  if (syscallCall === undefined || process.platform !== 'linux') return undefined
  if (lengthBytes === 0) return true
  writeUint64(rangeCell, offset, 0)
  writeUint64(rangeCell, lengthBytes, 8)
  if (syscallCall(SYS_CACHESTAT, BigInt(fd), rangeCell, statsCell, 0n) !== 0n) return undefined
  const first = Math.floor(offset / PAGE_BYTES)
  const last = Math.floor((offset + lengthBytes - 1) / PAGE_BYTES)
  return readUint64(statsCell, 0) >= last - first + 1
}

/** Where the memory of a buffer lies; undefined without ffi. */
export function addressOf(buffer: Buffer): bigint | undefined {
  return ffi?.getRawPointer(buffer)
}

/**
 * A buffer of unknown content whose memory begins at a page, as direct input and output demand it.
 *
 * @returns undefined without ffi: nothing else tells where the memory of a buffer lies
 */
export function pageAlignedBuffer(lengthBytes: number): Buffer | undefined {
  const memory = Buffer.allocUnsafeSlow(lengthBytes + PAGE_BYTES)
  const address = addressOf(memory)
  if (address === undefined) return undefined
  const beyond = Number(address % BigInt(PAGE_BYTES))
  return memory.subarray(PAGE_BYTES - beyond, PAGE_BYTES - beyond + lengthBytes)
}

/** Bytes the peer of a TCP socket has not acknowledged; undefined when the system cannot say. */
export function unacknowledgedBytes(socketFd: number): number | undefined {
  if (ioctlCall === undefined || process.platform !== 'linux') return undefined
  return ioctlCall(socketFd, SIOCOUTQ, countCell) === 0 ? countCell.readInt32LE(0) : undefined
}

/**
 * syncfs(2): true when everything written to the file system of `fd` before is on disk. Blocks for
 * as long as that takes, so only worker threads call it; others use `syncFileSystem`.
 */
export function syncfsBlocking(fd: number): boolean {
  return syncfsCall?.(fd) === 0
}

/**
 * fallocate(2) with a hole: true when the range reads as zeros and its blocks are the file system's
 * again. Whole blocks of a file that is open for writing. Blocks as long as the disk takes, so only
 * worker threads call it; others use `HolePunch`.
 */
export function punchHoleBlocking(fd: number, offset: number, lengthBytes: number): boolean {
  const mode = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE
  return fallocateCall?.(fd, mode, BigInt(offset), BigInt(lengthBytes)) === 0
}

/**
 * What tells one mount from another on the same machine: the mount's unique number where the kernel
 * has one (Linux 6.8), else its line in the mount table, and the device. Blocks like stat(2).
 *
 * @throws the system's error when the path cannot be reached
 */
export function mountIdentity(path: string): string {
  const device = `dev ${statSync(path).dev}`
  const stat = Buffer.alloc(STATX_BYTES)
  if (statxCall?.(AT_FDCWD, path, 0, STATX_MNT_ID_UNIQUE, stat) === 0) {
    if ((stat.readUInt32LE(STATX_AT.mask) & STATX_MNT_ID_UNIQUE) !== 0) {
      return `mount ${stat.readBigUInt64LE(STATX_AT.mountId)} ${device}`
    }
  }
  return `${mountLine(realpathSync(path), readIfThere('/proc/self/mountinfo')) ?? 'unknown'} ${device}`
}

/** The identity of this boot of the kernel; undefined when the system does not say. */
export function bootId(): string | undefined {
  return readIfThere('/proc/sys/kernel/random/boot_id')?.trim()
}

/**
 * Milliseconds since boot on a clock that also runs while the machine is suspended. Falls back to
 * /proc/uptime (10 ms steps), then to the process's own clock, which stands still meanwhile.
 */
export function boottimeMs(): number {
  if (clockCall?.(CLOCK_BOOTTIME, rangeCell) === 0) {
    return readUint64(rangeCell, 0) * 1000 + readUint64(rangeCell, 8) / 1e6
  }
  const uptime = Number.parseFloat(readIfThere('/proc/uptime') ?? '')
  return Number.isNaN(uptime) ? performance.now() : uptime * 1000
}

/**
 * The identifying words of the mount that a path lies on: mount id, device, root and mount point,
 * of the last line (the topmost mount) among those with the longest mount point.
 */
export function mountLine(path: string, table: string | undefined): string | undefined {
  let best: string | undefined
  let bestLength = -1
  for (const line of (table ?? '').split('\n')) {
    // proc(5): mount id, parent id, major:minor, root, mount point (octal escapes), ...
    const [id, , device, root, escaped] = line.split(' ')
    if (escaped === undefined) continue
    const point = escaped.replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    )
    const inside = point === '/' || path === point || path.startsWith(`${point}/`)
    if (!inside || point.length < bestLength) continue
    bestLength = point.length
    best = `mount ${id} ${device} ${root} ${escaped}`
  }
  return best
}

function loadFfi(): typeof Ffi | undefined {
  const emitWarning = process.emitWarning
  try {
    // Loading says that it is experimental. We know, and have a way out; say nothing, this once.
    process.emitWarning = () => undefined
    return process.getBuiltinModule('node:ffi')
  } catch {
    // `--no-experimental-ffi`, or `--permission` without `--allow-ffi`.
    return undefined
  } finally {
    process.emitWarning = emitWarning
  }
}

/**
 * A function of the C library; undefined when this libc does not have it, and without ffi.
 *
 * For the modules of this folder: what they bind must be safe to call on the event loop.
 */
export function bind<const Signature extends Ffi.FunctionSignature>(
  name: string,
  signature: Signature,
): Ffi.WrappedFunctionFromSignature<Signature> | undefined {
  try {
    return ffi?.dlopen(null, { [name]: signature }).functions[name]
  } catch {
    // This libc does not have it.
    return undefined
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Not Linux, or /proc is hidden: the callers have a fallback.
    return undefined
  }
}

function writeUint64(cell: Buffer, value: number, at: number): void {
  cell.writeUInt32LE(value >>> 0, at)
  cell.writeUInt32LE(Math.floor(value / 2 ** 32), at + 4)
}

function readUint64(cell: Buffer, at: number): number {
  return cell.readUInt32LE(at) + cell.readUInt32LE(at + 4) * 2 ** 32
}
