import { type FileHandle, open } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { Failure } from '@forebay/base/failure'
import { compareKeys } from '@forebay/model/key'
import type { ListedObject } from '@forebay/model/object'

/** Length, checksum and number of names, each a 32-bit integer, before the names of a chunk. */
const HEADER_BYTES = 12

/** 1,000 names of 1,024 bytes with everything that a list tells of them are not more. */
const CHUNK_BYTES_MAX = 16 * 1024 ** 2

/** Between the texts of a chunk: no store can tell of it in a name. */
const SEPARATOR = '\0'

/** What has a fixed width for each name: what it shares with the one before it, its size and its time. */
const SHARED_BYTES = 2
const NUMBER_BYTES = 8
const FIXED_BYTES = SHARED_BYTES + 2 * NUMBER_BYTES

/** Texts of each name: the rest of it and the ETag, and what few stores tell. */
const TEXTS_MIN = 2
const TEXTS_MAX = 5

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

/**
 * The names of one page of a list, one at least, in their order: the header, the columns of fixed width, the texts column
 * by column. A quarter of the work of reading the same as JSON.
 *
 * @throws Failure `not-implemented` for a name with a NUL byte
 */
export function encodeChunk(objects: readonly ListedObject[]): Buffer {
  const count = objects.length
  const fixed = Buffer.alloc(FIXED_BYTES * count)
  const rests: string[] = []
  let previous = ''
  for (const [at, { key, sizeBytes, lastModifiedMs }] of objects.entries()) {
    const shared = sharedLength(previous, key)
    previous = key
    rests.push(key.slice(shared))
    fixed.writeUInt16LE(shared, SHARED_BYTES * at)
    fixed.writeDoubleLE(sizeBytes, sizeAt(count, at))
    fixed.writeDoubleLE(lastModifiedMs, timeAt(count, at))
  }
  const columns = [rests, objects.map(({ etag }) => etag)]
  if (objects.some(hasMore)) {
    columns.push(
      objects.map(({ storageClass = '' }) => storageClass),
      objects.map(({ checksumAlgorithm = '' }) => checksumAlgorithm),
      objects.map(({ checksumKind = '' }) => checksumKind),
    )
  }
  const texts = columns.flat()
  if (texts.some((text) => text.includes(SEPARATOR))) {
    throw new Failure('not-implemented', 'a name has a NUL byte: no inventory can be made')
  }
  const payload = Buffer.concat([fixed, Buffer.from(texts.join(SEPARATOR))])
  const header = Buffer.alloc(HEADER_BYTES)
  header.writeUInt32LE(payload.length, 0)
  header.writeUInt32LE(crc32(payload), 4)
  header.writeUInt32LE(count, 8)
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
  const count = chunk.readUInt32LE(8)
  if (payload.length < FIXED_BYTES * count) throw damaged()
  const fixed = new DataView(payload.buffer, payload.byteOffset, FIXED_BYTES * count)
  const texts = payload.toString('utf8', FIXED_BYTES * count).split(SEPARATOR)
  if (texts.length !== TEXTS_MIN * count && texts.length !== TEXTS_MAX * count) throw damaged()
  const objects: ListedObject[] = []
  let key = ''
  for (let at = 0; at < count; at++) {
    const shared = fixed.getUint16(SHARED_BYTES * at, true)
    key = key.slice(0, shared) + texts[at]
    const sizeBytes = fixed.getFloat64(sizeAt(count, at), true)
    const lastModifiedMs = fixed.getFloat64(timeAt(count, at), true)
    const etag = texts[count + at] ?? ''
    if (texts.length === TEXTS_MIN * count) {
      objects.push({ key, sizeBytes, etag, lastModifiedMs })
      continue
    }
    const kind = texts[4 * count + at]
    objects.push({
      ...{ key, sizeBytes, etag, lastModifiedMs },
      storageClass: texts[2 * count + at] || undefined,
      checksumAlgorithm: texts[3 * count + at] || undefined,
      checksumKind: kind === 'whole' || kind === 'composite' ? kind : undefined,
    })
  }
  return objects
}

function sizeAt(count: number, at: number): number {
  return SHARED_BYTES * count + NUMBER_BYTES * at
}

function timeAt(count: number, at: number): number {
  return (SHARED_BYTES + NUMBER_BYTES) * count + NUMBER_BYTES * at
}

function hasMore({ storageClass, checksumAlgorithm, checksumKind }: ListedObject): boolean {
  return (storageClass ?? checksumAlgorithm ?? checksumKind) !== undefined
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

/** Chunks of a file of names, which stays open from the first read to `close`. */
export class NamesReader {
  readonly #path: string
  #file: Promise<FileHandle> | undefined
  #isClosed = false

  constructor(path: string) {
    this.#path = path
  }

  /** @throws Failure `internal` after `close`, and for what is not as it was written */
  async read({ offset, bytes }: ChunkPlace): Promise<readonly ListedObject[]> {
    if (this.#isClosed) throw new Failure('internal', 'the file of names was closed')
    this.#file ??= open(this.#path, 'r')
    return decodeChunk(await readBytes(await this.#file, offset, bytes))
  }

  /** Reads that are under way come to their end. */
  async close(): Promise<void> {
    this.#isClosed = true
    const file = await this.#file?.catch(() => undefined)
    await file?.close()
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

/** In UTF-16 units, never half of a pair: the rest is to be UTF-8. */
function sharedLength(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  let at = 0
  while (at < length && a.charCodeAt(at) === b.charCodeAt(at)) at += 1
  const isSplit = at > 0 && (a.charCodeAt(at - 1) & 0xfc00) === 0xd800
  return isSplit ? at - 1 : at
}

function damaged(): Failure {
  return new Failure('internal', 'a file of an inventory is not what was written')
}
