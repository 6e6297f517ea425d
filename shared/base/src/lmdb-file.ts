import { Buffer } from 'node:buffer'
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'

/** Fields of a meta page of lmdb's data file (mdb.c: MDB_page header, then MDB_meta). */
const META = { magic: 24, pageBytes: 48, lastPage: 144, transaction: 152, bytes: 168 } as const
const MAGIC = 0xbeef_c0de

/**
 * True when lmdb can map the data file of a folder without harm, or there is none: both meta pages are lmdb's and the file reaches
 * as far as the newer one says. lmdb itself does not check; it ends the process (SIGSEGV, SIGBUS).
 */
export function isSaneLmdbFile(folder: string): boolean {
  const path = join(folder, 'data.mdb')
  if (!existsSync(path)) return true
  const fd = openSync(path, 'r')
  try {
    const { size } = fstatSync(fd)
    const first = readMeta(fd, 0)
    if (first === undefined) return false
    const second = readMeta(fd, first.pageBytes)
    if (second === undefined) return false
    const newer = second.transaction > first.transaction ? second : first
    return size >= (newer.lastPage + 1) * first.pageBytes
  } finally {
    closeSync(fd)
  }
}

interface Meta {
  readonly pageBytes: number
  readonly lastPage: number
  readonly transaction: number
}

function readMeta(fd: number, at: number): Meta | undefined {
  const bytes = Buffer.alloc(META.bytes)
  if (readSync(fd, bytes, 0, bytes.length, at) < bytes.length) return undefined
  if (bytes.readUInt32LE(META.magic) !== MAGIC) return undefined
  return {
    pageBytes: bytes.readUInt32LE(META.pageBytes),
    lastPage: Number(bytes.readBigUInt64LE(META.lastPage)),
    transaction: Number(bytes.readBigUInt64LE(META.transaction)),
  }
}
