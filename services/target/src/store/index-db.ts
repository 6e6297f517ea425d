import { Buffer } from 'node:buffer'
import { mkdirSync } from 'node:fs'
import { type Database, open, type RootDatabase } from 'lmdb'

/**
 * Name of an entry: bucket id and key, ordered by id, then by bytes of UTF-8. As raw bytes where a
 * scan starts or ends between names.
 */
export type IndexKey = { readonly bucketId: number; readonly key: string } | Uint8Array

/** Virtual memory that lmdb maps at first; it grows by itself. */
const MAP_BYTES = 1024 ** 3

const RESERVED_DATABASES = 8

export interface IndexDatabases {
  readonly root: RootDatabase<Buffer, string>
  /** Encoded records by name. */
  readonly records: Database<Buffer, never>
  /** Names that need a question to the backend; the value is the mark's sequence. */
  readonly unsettled: Database<Buffer, never>
  /** Positions, totals and format: small documents by name. */
  readonly meta: Database<unknown, string>
  readonly cursor: CursorState
}

/** How the range that is being read hands over names and values. */
export interface CursorState {
  /** Bucket id of the name that was read last; the name itself is the key alone. */
  bucketId: number
  /**
   * True: values are lmdb's own memory, valid until the next step, which halves the cost of a scan.
   * False: they are copies.
   */
  shared: boolean
}

/** Opens (or makes) the index environment; throws what lmdb throws for a file that is none. */
export function openIndexDatabases(directory: string): IndexDatabases {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const options = {
    path: directory,
    overlappingSync: true,
    // Else lmdb takes the newest snapshot while the machine has not booted since, though the file
    // system may have lost its pages: a disk that was away and came back. lmdb's types lack it.
    safeRestore: true,
    // Batches of lmdb's own making have promises that nobody gets: one that fails ends the process.
    eventTurnBatching: false,
    mapSize: MAP_BYTES,
    maxDbs: RESERVED_DATABASES,
    encoding: 'binary',
  } as const
  const root = open<Buffer, string>(options)
  const cursor: CursorState = { bucketId: 0, shared: false }
  return {
    root,
    cursor,
    records: root.openDB<Buffer, never>({ name: 'records', ...codecs(cursor) }),
    unsettled: root.openDB<Buffer, never>({ name: 'unsettled', ...codecs(cursor) }),
    meta: root.openDB<unknown, string>({ name: 'meta', encoding: 'msgpack' }),
  }
}

/** Bytes of a name as the index orders it. */
export function encodeName(bucketId: number, key: string): Buffer {
  const bytes = Buffer.allocUnsafe(4 + Buffer.byteLength(key))
  bytes.writeUInt32BE(bucketId)
  bytes.write(key, 4)
  return bytes
}

/**
 * The first name behind every name that starts with `bytes`.
 *
 * @returns undefined when there is none: all bytes are 255
 */
export function nextAfterPrefix(bytes: Uint8Array): Buffer | undefined {
  for (let at = bytes.length - 1; at >= 0; at--) {
    const byte = bytes[at] ?? 0
    if (byte < 255) {
      const next = Buffer.from(bytes.subarray(0, at + 1))
      next[at] = byte + 1
      return next
    }
  }
  return undefined
}

/** How names and values stand in lmdb's buffers. */
function codecs(cursor: CursorState): object {
  return {
    encoder: {
      encode: (value: Buffer): Buffer => value,
      // lmdb sets the length of its buffer to the value's; its memory is used again.
      decode: (bytes: Buffer): Buffer =>
        cursor.shared ? bytes : Buffer.from(bytes.subarray(0, bytes.length)),
    },
    keyEncoder: {
      writeKey: (name: IndexKey, target: Buffer, start: number): number => {
        if (name instanceof Uint8Array) {
          target.set(name, start)
          return start + name.length
        }
        const { bucketId, key } = name
        target[start] = bucketId >>> 24
        target[start + 1] = (bucketId >>> 16) & 255
        target[start + 2] = (bucketId >>> 8) & 255
        target[start + 3] = bucketId & 255
        return start + 4 + target.write(key, start + 4)
      },
      readKey: (target: Buffer, start: number, end: number): string => {
        cursor.bucketId = target.readUInt32BE(start)
        return target.toString('utf8', start + 4, end)
      },
    },
  }
}
