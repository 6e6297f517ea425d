import { type ByteFile, ByteReader, sourceOfFile } from './byte-source.ts'
import { invalid } from './limits.ts'
import {
  ZIP_16_MAX,
  ZIP_32_MAX,
  ZIP_CENTRAL,
  ZIP_CENTRAL_BYTES,
  ZIP_END,
  ZIP_END_BYTES,
  ZIP_FLAG_UTF8,
  ZIP64_END,
  ZIP64_END_BYTES,
  ZIP64_EXTRA_ID,
  ZIP64_LOCATOR,
  ZIP64_LOCATOR_BYTES,
} from './zip-records.ts'

/** The comment behind the end record is at most so long (APPNOTE 4.4.12). */
const COMMENT_BYTES_MAX = 0xffff

/** Where the directory of a ZIP lies. */
export interface FoundDirectory {
  readonly count: number
  readonly offsetBytes: number
  readonly sizeBytes: number
}

/** What the directory says of an entry. */
export interface CentralEntry {
  readonly name: string
  readonly nameBytes: Buffer
  /** Of its header. */
  readonly offsetBytes: number
  readonly packedBytes: number
  readonly sizeBytes: number
  readonly crc: number
  readonly flags: number
  readonly method: number
  readonly time: number
  /** System on which the entry was made; 3: Unix. */
  readonly madeOn: number
  readonly attributes: number
}

/** @throws Failure `archive-invalid` */
export async function findDirectory(file: ByteFile): Promise<FoundDirectory> {
  const tailBytes = Math.min(file.sizeBytes, ZIP_END_BYTES + COMMENT_BYTES_MAX)
  if (tailBytes < ZIP_END_BYTES) throw invalid('it is no ZIP')
  const tailOffset = file.sizeBytes - tailBytes
  const tail = await file.read(tailOffset, tailBytes)
  const at = findEnd(tail)
  if (at === undefined) throw invalid('it has no directory')
  const end = tail.subarray(at)
  if (end.readUInt16LE(4) !== 0 || end.readUInt16LE(6) !== 0)
    throw invalid('it is one of several parts')
  const found = {
    count: end.readUInt16LE(10),
    sizeBytes: end.readUInt32LE(12),
    offsetBytes: end.readUInt32LE(16),
  }
  const isWide =
    found.count === ZIP_16_MAX || found.sizeBytes === ZIP_32_MAX || found.offsetBytes === ZIP_32_MAX
  const directory = isWide ? ((await findWide(file, tailOffset + at)) ?? found) : found
  const { count, offsetBytes, sizeBytes } = directory
  if (offsetBytes + sizeBytes > tailOffset + at || count * ZIP_CENTRAL_BYTES > sizeBytes)
    throw invalid('its directory lies where it cannot')
  return directory
}

/** The entries of a directory, in its order. @throws Failure `archive-invalid` */
export async function* readCentral(
  file: ByteFile,
  directory: FoundDirectory,
): AsyncGenerator<CentralEntry> {
  const { offsetBytes, sizeBytes, count } = directory
  const part = { fromBytes: offsetBytes, endBytes: offsetBytes + sizeBytes }
  const reader = new ByteReader(sourceOfFile(file, part))
  for (let at = 0; at < count; at++) {
    const header = await reader.needed(ZIP_CENTRAL_BYTES)
    if (header.readUInt32LE(0) !== ZIP_CENTRAL) throw invalid('its directory is broken')
    const nameBytes = await reader.needed(header.readUInt16LE(28))
    const extra = await reader.needed(header.readUInt16LE(30))
    await reader.skip(header.readUInt16LE(32))
    yield decodeEntry(header, nameBytes, extra)
  }
  if (reader.position !== sizeBytes) throw invalid('its directory is longer than its entries')
}

/** The last end record whose comment reaches exactly to the end of the file. */
function findEnd(tail: Buffer): number | undefined {
  for (let at = tail.length - ZIP_END_BYTES; at >= 0; at--) {
    if (tail.readUInt32LE(at) !== ZIP_END) continue
    if (at + ZIP_END_BYTES + tail.readUInt16LE(at + 20) === tail.length) return at
  }
  return undefined
}

/** The ZIP64 end, where there is one before the end record at `endOffset`. */
async function findWide(file: ByteFile, endOffset: number): Promise<FoundDirectory | undefined> {
  const locatorOffset = endOffset - ZIP64_LOCATOR_BYTES
  if (locatorOffset < 0) return undefined
  const locator = await file.read(locatorOffset, ZIP64_LOCATOR_BYTES)
  if (locator.readUInt32LE(0) !== ZIP64_LOCATOR) return undefined
  const offset = wide(locator, 8)
  if (offset + ZIP64_END_BYTES > locatorOffset) throw invalid('its directory lies where it cannot')
  const end = await file.read(offset, ZIP64_END_BYTES)
  if (end.readUInt32LE(0) !== ZIP64_END) throw invalid('its directory is broken')
  return { count: wide(end, 32), sizeBytes: wide(end, 40), offsetBytes: wide(end, 48) }
}

function decodeEntry(header: Buffer, nameBytes: Buffer, extra: Buffer): CentralEntry {
  const flags = header.readUInt16LE(8)
  const wides = wideFields(extra)
  // The field holds only those numbers that do not fit, in this order (APPNOTE 4.5.3).
  const orWide = (value: number): number =>
    value === ZIP_32_MAX ? (wides.shift() ?? value) : value
  const sizeBytes = orWide(header.readUInt32LE(24))
  const packedBytes = orWide(header.readUInt32LE(20))
  const offsetBytes = orWide(header.readUInt32LE(42))
  return {
    // Other names are of code page 437; of those the ASCII half is what tools agree on.
    name: nameBytes.toString((flags & ZIP_FLAG_UTF8) === 0 ? 'latin1' : 'utf8'),
    nameBytes: Buffer.from(nameBytes),
    offsetBytes,
    packedBytes,
    sizeBytes,
    crc: header.readUInt32LE(16),
    flags,
    method: header.readUInt16LE(10),
    time: header.readUInt32LE(12),
    madeOn: header.readUInt16LE(4) >> 8,
    attributes: header.readUInt32LE(38),
  }
}

/** The numbers in the ZIP64 field of an entry. */
function wideFields(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const end = at + 4 + extra.readUInt16LE(at + 2)
    if (end > extra.length) return []
    if (extra.readUInt16LE(at) === ZIP64_EXTRA_ID) {
      const values: number[] = []
      for (let value = at + 4; value + 8 <= end; value += 8) values.push(wide(extra, value))
      return values
    }
    at = end
  }
  return []
}

function wide(buffer: Buffer, offset: number): number {
  const value = buffer.readBigUInt64LE(offset)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw invalid('a number in it is too large')
  return Number(value)
}
