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
}

/** Opens (or makes) the index environment; throws what lmdb throws for a file that is none. */
export function openIndexDatabases(directory: string): IndexDatabases {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const root = open<Buffer, string>({
    path: directory,
    overlappingSync: true,
    mapSize: MAP_BYTES,
    maxDbs: RESERVED_DATABASES,
    encoding: 'binary',
  })
  return {
    root,
    records: root.openDB<Buffer, never>({ name: 'records', ...nameCodec() }),
    unsettled: root.openDB<Buffer, never>({ name: 'unsettled', ...nameCodec() }),
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

/** How the names are written into lmdb's key buffer, and read as the key's text. */
function nameCodec(): object {
  return {
    encoding: 'binary',
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
      readKey: (target: Buffer, start: number, end: number): string =>
        target.toString('latin1', start, start + 4) + target.toString('utf8', start + 4, end),
    },
  }
}
