import { Xxh32, xxh32 } from '@node-rs/xxhash'
import { uncompress } from 'lz4-napi'
import { ByteReader, sourceOfChunks } from './byte-source.ts'
import { type ArchiveLimits, checkExpansion, invalid } from './limits.ts'
import { LZ4_MAGIC, LZ4_SKIPPABLE_MAGIC, LZ4_STORED, lz4BlockBytes } from './lz4-frame.ts'

/** How far back a block that is not independent may refer, bytes. */
const WINDOW_BYTES = 64 * 1024

interface Frame {
  readonly blockBytesMax: number
  readonly independent: boolean
  readonly blockSums: boolean
  readonly contentSum: boolean
}

/**
 * Unpacks LZ4 frames, one or several in a row; a block (at most 4 MiB) is in memory at a time, and all
 * checksums are checked.
 *
 * @throws Failure `archive-invalid`
 */
export async function* unpackLz4(
  packed: AsyncGenerator<Buffer>,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer> {
  const reader = new ByteReader(sourceOfChunks(packed))
  let bytes = 0
  try {
    for (;;) {
      const frame = await nextFrame(reader)
      if (frame === undefined) return
      for await (const block of blocksOf(reader, frame)) {
        bytes += block.length
        checkExpansion(reader.position, bytes, limits)
        yield block
      }
    }
  } finally {
    await reader.close()
  }
}

/** `undefined` at the end. */
async function nextFrame(reader: ByteReader): Promise<Frame | undefined> {
  for (;;) {
    const magicBytes = await reader.exactly(4)
    if (magicBytes === undefined) return undefined
    const magic = magicBytes.readUInt32LE(0)
    if (magic === LZ4_MAGIC) return readDescriptor(reader)
    if ((magic & 0xfffffff0) >>> 0 !== LZ4_SKIPPABLE_MAGIC) throw invalid('it is no LZ4 frame')
    await reader.skip((await reader.needed(4)).readUInt32LE(0))
  }
}

async function readDescriptor(reader: ByteReader): Promise<Frame> {
  const begin = await reader.needed(2)
  const flags = begin[0] ?? 0
  const blockBytesMax = lz4BlockBytes(((begin[1] ?? 0) >> 4) & 7)
  if (flags >> 6 !== 1 || blockBytesMax === undefined)
    throw invalid('its LZ4 frame is of no known kind')
  // The other side would have to have the same dictionary.
  if ((flags & 1) !== 0) throw invalid('it is packed with a dictionary')
  const size = await reader.needed((flags & 8) === 0 ? 0 : 8)
  const descriptor = Buffer.concat([begin, size])
  const [check] = await reader.needed(1)
  if (((xxh32(descriptor, 0) >>> 8) & 0xff) !== check)
    throw invalid('the header of its LZ4 frame is broken')
  return {
    blockBytesMax,
    independent: (flags & 0x20) !== 0,
    blockSums: (flags & 0x10) !== 0,
    contentSum: (flags & 4) !== 0,
  }
}

async function* blocksOf(reader: ByteReader, frame: Frame): AsyncGenerator<Buffer> {
  const sum = new Xxh32(0)
  let window: Buffer = Buffer.alloc(0)
  for (;;) {
    const word = (await reader.needed(4)).readUInt32LE(0)
    if (word === 0) break
    const isStored = word >= LZ4_STORED
    const packedBytes = isStored ? word - LZ4_STORED : word
    if (packedBytes > frame.blockBytesMax) throw invalid('a block of its LZ4 frame is too large')
    const packed = await reader.needed(packedBytes)
    if (frame.blockSums && (await reader.needed(4)).readUInt32LE(0) !== xxh32(packed, 0))
      throw invalid('a block of its LZ4 frame is broken')
    const block = isStored
      ? packed
      : await unpackBlock(packed, frame.blockBytesMax, frame.independent ? undefined : window)
    if (frame.contentSum) sum.update(block)
    if (!frame.independent) window = Buffer.concat([window, block]).subarray(-WINDOW_BYTES)
    yield block
  }
  if (frame.contentSum && (await reader.needed(4)).readUInt32LE(0) !== sum.digest())
    throw invalid('what is packed in it does not match its checksum')
}

/** The library wants the size before the block; it takes less than that as well. */
async function unpackBlock(
  packed: Buffer,
  bytesMax: number,
  window: Buffer | undefined,
): Promise<Buffer> {
  const sized = Buffer.allocUnsafe(4 + packed.length)
  sized.writeUInt32LE(bytesMax, 0)
  packed.copy(sized, 4)
  try {
    return await uncompress(sized, window)
  } catch (error) {
    throw invalid('a block of its LZ4 frame is broken', error)
  }
}
