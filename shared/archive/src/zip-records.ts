/** Records of ZIP (APPNOTE 6.3.10), those that we write, and the numbers that the reader shares. */

export const ZIP_LOCAL = 0x04034b50
export const ZIP_DESCRIPTOR = 0x08074b50
export const ZIP_CENTRAL = 0x02014b50
export const ZIP_END = 0x06054b50
export const ZIP64_END = 0x06064b50
export const ZIP64_LOCATOR = 0x07064b50

export const ZIP_LOCAL_BYTES = 30
export const ZIP_CENTRAL_BYTES = 46
export const ZIP_END_BYTES = 22
export const ZIP64_END_BYTES = 56
export const ZIP64_LOCATOR_BYTES = 20

/** The field says: look into the ZIP64 record. */
export const ZIP_32_MAX = 0xffff_ffff
export const ZIP_16_MAX = 0xffff

/** Extra field of ZIP64 (APPNOTE 4.5.3). */
export const ZIP64_EXTRA_ID = 1

/** Flag: checksum and sizes stand behind the bytes. */
export const ZIP_FLAG_DESCRIPTOR = 1 << 3
/** Flag: the name is UTF-8. */
export const ZIP_FLAG_UTF8 = 1 << 11
export const ZIP_FLAG_ENCRYPTED = 1

const VERSION = 20
const VERSION_ZIP64 = 45
/** Made on Unix: the upper half of the external attributes is the mode. */
const MADE_ON_UNIX = 3 << 8
const MODE_REGULAR = 0o100644

export interface ZipEntry {
  readonly nameBytes: Buffer
  readonly sizeBytes: number
  readonly modifiedMs: number
  readonly crc: number
  readonly offsetBytes: number
  /** Its checksum stands behind its bytes. */
  readonly described: boolean
}

/** The header before the bytes of a stored member. */
export function localHeader(entry: ZipEntry): Buffer {
  const wide = isWide(entry.sizeBytes)
  const header = Buffer.alloc(localHeaderBytes(entry))
  header.writeUInt32LE(ZIP_LOCAL, 0)
  header.writeUInt16LE(wide ? VERSION_ZIP64 : VERSION, 4)
  writeCommon(header.subarray(6), entry)
  header.writeUInt32LE(entry.described ? 0 : entry.crc, 14)
  writeSizes(header.subarray(18), entry.sizeBytes)
  header.writeUInt16LE(entry.nameBytes.length, 26)
  header.writeUInt16LE(wide ? 20 : 0, 28)
  entry.nameBytes.copy(header, ZIP_LOCAL_BYTES)
  if (wide)
    writeZip64Extra(header.subarray(ZIP_LOCAL_BYTES + entry.nameBytes.length), [
      entry.sizeBytes,
      entry.sizeBytes,
    ])
  return header
}

export function localHeaderBytes(entry: Pick<ZipEntry, 'nameBytes' | 'sizeBytes'>): number {
  return ZIP_LOCAL_BYTES + entry.nameBytes.length + (isWide(entry.sizeBytes) ? 20 : 0)
}

/** What stands behind the bytes of a member whose checksum was not known before. */
export function descriptor(entry: ZipEntry): Buffer {
  const record = Buffer.alloc(descriptorBytes(entry.sizeBytes))
  record.writeUInt32LE(ZIP_DESCRIPTOR, 0)
  record.writeUInt32LE(entry.crc, 4)
  if (isWide(entry.sizeBytes)) {
    record.writeBigUInt64LE(BigInt(entry.sizeBytes), 8)
    record.writeBigUInt64LE(BigInt(entry.sizeBytes), 16)
  } else {
    record.writeUInt32LE(entry.sizeBytes, 8)
    record.writeUInt32LE(entry.sizeBytes, 12)
  }
  return record
}

export function descriptorBytes(sizeBytes: number): number {
  return isWide(sizeBytes) ? 24 : 16
}

/** The entry of the directory at the end of the archive. */
export function centralHeader(entry: ZipEntry): Buffer {
  const wide = wideFields(entry)
  const header = Buffer.alloc(centralHeaderBytes(entry))
  header.writeUInt32LE(ZIP_CENTRAL, 0)
  const version = wide.length > 0 ? VERSION_ZIP64 : VERSION
  header.writeUInt16LE(MADE_ON_UNIX | version, 4)
  header.writeUInt16LE(version, 6)
  writeCommon(header.subarray(8), entry)
  header.writeUInt32LE(entry.crc, 16)
  writeSizes(header.subarray(20), entry.sizeBytes)
  header.writeUInt16LE(entry.nameBytes.length, 28)
  header.writeUInt16LE(wide.length === 0 ? 0 : 4 + 8 * wide.length, 30)
  header.writeUInt32LE(MODE_REGULAR * 2 ** 16, 38)
  header.writeUInt32LE(Math.min(entry.offsetBytes, ZIP_32_MAX), 42)
  entry.nameBytes.copy(header, ZIP_CENTRAL_BYTES)
  if (wide.length > 0)
    writeZip64Extra(header.subarray(ZIP_CENTRAL_BYTES + entry.nameBytes.length), wide)
  return header
}

export function centralHeaderBytes(
  entry: Pick<ZipEntry, 'nameBytes' | 'sizeBytes' | 'offsetBytes'>,
): number {
  const wide = wideFields(entry).length
  return ZIP_CENTRAL_BYTES + entry.nameBytes.length + (wide === 0 ? 0 : 4 + 8 * wide)
}

export interface ZipDirectory {
  readonly count: number
  readonly offsetBytes: number
  readonly sizeBytes: number
}

/** The end of the archive; with ZIP64 records where the directory needs them. */
export function endRecords(directory: ZipDirectory): Buffer {
  const end = Buffer.alloc(ZIP_END_BYTES)
  end.writeUInt32LE(ZIP_END, 0)
  end.writeUInt16LE(Math.min(directory.count, ZIP_16_MAX), 8)
  end.writeUInt16LE(Math.min(directory.count, ZIP_16_MAX), 10)
  end.writeUInt32LE(Math.min(directory.sizeBytes, ZIP_32_MAX), 12)
  end.writeUInt32LE(Math.min(directory.offsetBytes, ZIP_32_MAX), 16)
  if (!needsZip64(directory)) return end
  const wide = Buffer.alloc(ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES)
  wide.writeUInt32LE(ZIP64_END, 0)
  wide.writeBigUInt64LE(BigInt(ZIP64_END_BYTES - 12), 4)
  wide.writeUInt16LE(MADE_ON_UNIX | VERSION_ZIP64, 12)
  wide.writeUInt16LE(VERSION_ZIP64, 14)
  wide.writeBigUInt64LE(BigInt(directory.count), 24)
  wide.writeBigUInt64LE(BigInt(directory.count), 32)
  wide.writeBigUInt64LE(BigInt(directory.sizeBytes), 40)
  wide.writeBigUInt64LE(BigInt(directory.offsetBytes), 48)
  wide.writeUInt32LE(ZIP64_LOCATOR, ZIP64_END_BYTES)
  const endOffset = BigInt(directory.offsetBytes + directory.sizeBytes)
  wide.writeBigUInt64LE(endOffset, ZIP64_END_BYTES + 8)
  wide.writeUInt32LE(1, ZIP64_END_BYTES + 16)
  return Buffer.concat([wide, end])
}

export function endRecordsBytes(directory: ZipDirectory): number {
  return ZIP_END_BYTES + (needsZip64(directory) ? ZIP64_END_BYTES + ZIP64_LOCATOR_BYTES : 0)
}

function needsZip64({ count, offsetBytes, sizeBytes }: ZipDirectory): boolean {
  return count >= ZIP_16_MAX || isWide(offsetBytes) || isWide(sizeBytes)
}

function isWide(value: number): boolean {
  return value >= ZIP_32_MAX
}

/** Of a directory entry, the numbers that go into its ZIP64 field, in its order (APPNOTE 4.5.3). */
function wideFields({
  sizeBytes,
  offsetBytes,
}: Pick<ZipEntry, 'sizeBytes' | 'offsetBytes'>): readonly number[] {
  return [
    ...(isWide(sizeBytes) ? [sizeBytes, sizeBytes] : []),
    ...(isWide(offsetBytes) ? [offsetBytes] : []),
  ]
}

/** Flags, method and date: the same eight bytes in both headers. */
function writeCommon(target: Buffer, entry: ZipEntry): void {
  target.writeUInt16LE(ZIP_FLAG_UTF8 | (entry.described ? ZIP_FLAG_DESCRIPTOR : 0), 0)
  // Stored: a member is then a range of the archive, and what is archived is mostly packed already.
  target.writeUInt16LE(0, 2)
  target.writeUInt32LE(dosTime(entry.modifiedMs), 4)
}

function writeSizes(target: Buffer, sizeBytes: number): void {
  target.writeUInt32LE(Math.min(sizeBytes, ZIP_32_MAX), 0)
  target.writeUInt32LE(Math.min(sizeBytes, ZIP_32_MAX), 4)
}

function writeZip64Extra(target: Buffer, values: readonly number[]): void {
  target.writeUInt16LE(ZIP64_EXTRA_ID, 0)
  target.writeUInt16LE(8 * values.length, 2)
  for (const [index, value] of values.entries())
    target.writeBigUInt64LE(BigInt(value), 4 + 8 * index)
}

/** Date and time in steps of two seconds, 1980 to 2107; in UTC, since the format knows no zone. */
function dosTime(modifiedMs: number): number {
  const date = new Date(modifiedMs)
  const year = date.getUTCFullYear() - 1980
  if (year < 0) return (1 << 21) | (1 << 16)
  const day = (Math.min(year, 127) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate()
  const time =
    (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1)
  return day * 2 ** 16 + time
}

/** The inverse of `dosTime`, milliseconds since 1970. */
export function fromDosTime(value: number): number {
  const day = value >>> 16
  const time = value & 0xffff
  return Date.UTC(
    1980 + (day >> 9),
    ((day >> 5) & 15) - 1,
    day & 31,
    time >> 11,
    (time >> 5) & 63,
    (time & 31) * 2,
  )
}
