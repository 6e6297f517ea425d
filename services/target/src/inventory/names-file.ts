import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'

/** Length, checksum and number of names, each a 32-bit integer, before the names of a chunk. */
const HEADER_BYTES = 12

/** 1,000 names of 1,024 bytes with everything that a list tells of them are not more. */
const CHUNK_BYTES_MAX = 16 * 1024 ** 2

/** A name as a chunk has it: what it shares with the one before it, in UTF-16 units, and the rest. */
type Row = readonly [
  shared: number,
  rest: string,
  sizeBytes: number,
  etag: string,
  ms: number,
  ...(readonly (string | null)[]),
]

/** Where a chunk stands, and its first name. */
export interface ChunkPlace {
  readonly offset: number
  readonly bytes: number
  readonly first: string
}

/** What a file of names holds. */
export interface NamesIndex {
  readonly objects: number
  /** Sum of the sizes of the objects. */
  readonly objectBytes: number
  readonly fileBytes: number
  readonly chunks: readonly ChunkPlace[]
}

/** The names of one page of a list, in its order. */
export function encodeChunk(objects: readonly ListedObject[]): Buffer {
  let previous = ''
  const rows = objects.map((object): Row => {
    const { key, sizeBytes, etag, lastModifiedMs } = object
    const shared = sharedLength(previous, key)
    previous = key
    const { storageClass, checksumAlgorithm, checksumKind } = object
    const rest = [storageClass ?? null, checksumAlgorithm ?? null, checksumKind ?? null]
    while (rest.at(-1) === null) rest.pop()
    return [shared, key.slice(shared), sizeBytes, etag, lastModifiedMs, ...rest]
  })
  const payload = Buffer.from(JSON.stringify(rows))
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt32LE(crc32(payload), 4)
  header.writeUInt32LE(objects.length, 8)
  return Buffer.concat([header, payload])
}

/** @throws Failure `internal` for bytes that are no chunk of ours */
export function decodeChunk(chunk: Buffer): readonly ListedObject[] {
  const payload = chunk.subarray(HEADER_BYTES)
  if (
    chunk.length < HEADER_BYTES ||
    chunk.readUInt32LE(0) !== payload.length ||
    chunk.readUInt32LE(4) !== crc32(payload)
  ) {
    throw damaged()
  }
  // Only what `encodeChunk` wrote has the checksum.
  const rows: readonly Row[] = JSON.parse(payload.toString())
  let previous = ''
  return rows.map(([shared, rest, sizeBytes, etag, lastModifiedMs, ...more]) => {
    const key = previous.slice(0, shared) + rest
    previous = key
    if (more.length === 0) return { key, sizeBytes, etag, lastModifiedMs }
    const [storageClass, checksumAlgorithm, kind] = more
    return {
      ...{ key, sizeBytes, etag, lastModifiedMs },
      storageClass: storageClass ?? undefined,
      checksumAlgorithm: checksumAlgorithm ?? undefined,
      checksumKind: kind === 'whole' || kind === 'composite' ? kind : undefined,
    }
  })
}

/** Writes a chunk at an offset and cuts off what a broken attempt left behind it. @returns its bytes */
export async function writeChunk(
  path: string,
  offset: number,
  objects: readonly ListedObject[],
): Promise<number> {
  const chunk = encodeChunk(objects)
  const file = await open(path, offset === 0 ? 'w' : 'r+', 0o600)
  try {
    await file.truncate(offset)
    await file.write(chunk, 0, chunk.length, offset)
  } finally {
    await file.close()
  }
  return chunk.length
}

export async function readChunk(path: string, place: ChunkPlace): Promise<readonly ListedObject[]> {
  const file = await open(path, 'r')
  try {
    return decodeChunk(await readBytes(file, place.offset, place.bytes))
  } finally {
    await file.close()
  }
}

/**
 * Reads a file of names from its first byte to `fileBytes`, chunk by chunk, and brings it to disk.
 *
 * @throws Failure `internal` where it is not what was written, or its names are not in order
 */
export async function indexNames(
  path: string,
  fileBytes: number,
  signal: AbortSignal,
): Promise<NamesIndex> {
  const chunks: ChunkPlace[] = []
  let objects = 0
  let objectBytes = 0
  let last = ''
  const file = await open(path, 'r')
  try {
    for (let offset = 0; offset < fileBytes; ) {
      signal.throwIfAborted()
      const header = await readBytes(file, offset, HEADER_BYTES)
      const bytes = HEADER_BYTES + header.readUInt32LE(0)
      if (bytes > CHUNK_BYTES_MAX) throw damaged()
      const names = decodeChunk(await readBytes(file, offset, bytes))
      const [first] = names
      if (first === undefined || compareKeys(last, first.key) >= 0) throw damaged()
      chunks.push({ offset, bytes, first: first.key })
      for (const { sizeBytes } of names) objectBytes += sizeBytes
      objects += names.length
      last = names.at(-1)?.key ?? last
      offset += bytes
    }
    await file.datasync()
  } finally {
    await file.close()
  }
  return { objects, objectBytes, fileBytes, chunks }
}

async function readBytes(file: FileHandle, offset: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes)
  const { bytesRead } = await file.read(buffer, 0, bytes, offset)
  if (bytesRead !== bytes) throw damaged()
  return buffer
}

function sharedLength(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  let at = 0
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1
  return at
}

function damaged(): Failure {
  return new Failure('internal', 'a file of an inventory is not what was written')
}
