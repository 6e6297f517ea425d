/**
 * Reading a ZIP by the directory at its end. What directory and headers say must agree, and no two
 * entries may share bytes: both are how archives are made that unpack to petabytes, or differently for
 * different readers.
 */

import { crc32 } from 'node:zlib'
import { type ByteFile, ByteReader, sourceOfFile } from './byte-source.ts'
import type { ArchiveEntry, LeftOut } from './entry.ts'
import { inflateRaw } from './gunzip.ts'
import { type ArchiveLimits, checkEntryCount, checkExpansion, invalid } from './limits.ts'
import { memberNameProblem } from './member.ts'
import {
  type CentralEntry,
  type FoundDirectory,
  findDirectory,
  readCentral,
} from './zip-directory.ts'
import {
  fromDosTime,
  ZIP_16_MAX,
  ZIP_32_MAX,
  ZIP_FLAG_DESCRIPTOR,
  ZIP_FLAG_ENCRYPTED,
  ZIP_LOCAL,
  ZIP_LOCAL_BYTES,
} from './zip-records.ts'

const STORED = 0
const DEFLATED = 8

const FILE_TYPE_MASK = 0o170000
const FILE_TYPE_REGULAR = 0o100000
const FILE_TYPE_LINK = 0o120000
const MADE_ON_UNIX = 3

/** The entries of a ZIP, in the order of its directory. @throws Failure `archive-invalid` */
export async function* readZip(
  file: ByteFile,
  limits: ArchiveLimits,
): AsyncGenerator<ArchiveEntry, void> {
  const directory = await findDirectory(file)
  checkEntryCount(directory.count, limits)
  await checkLayout(file, directory, limits)
  for await (const entry of readCentral(file, directory)) {
    const why = leftOut(entry, limits)
    const { name } = entry
    if (why === undefined) yield memberOf(file, entry, limits)
    else yield { kind: 'left-out', name: name.slice(0, limits.nameBytesMax), why }
  }
}

/** That every entry has bytes of its own, before the directory, and that all together is not too much. */
async function checkLayout(
  file: ByteFile,
  directory: FoundDirectory,
  limits: ArchiveLimits,
): Promise<void> {
  const offsets = new Float64Array(directory.count)
  const ends = new Float64Array(directory.count)
  let at = 0
  let bytes = 0
  for await (const entry of readCentral(file, directory)) {
    offsets[at] = entry.offsetBytes
    // The least that its header takes.
    ends[at] = entry.offsetBytes + ZIP_LOCAL_BYTES + entry.nameBytes.length + entry.packedBytes
    bytes += entry.sizeBytes
    at += 1
  }
  checkExpansion(file.sizeBytes, bytes, limits)
  offsets.sort()
  ends.sort()
  // Entries that do not overlap have their begins and ends in the same order.
  for (let i = 0; i < at; i++) {
    const next = i + 1 < at ? (offsets[i + 1] ?? 0) : directory.offsetBytes
    if ((ends[i] ?? 0) > next) throw invalid('entries share bytes')
  }
}

function leftOut(entry: CentralEntry, limits: ArchiveLimits): LeftOut | undefined {
  const { name, flags, method, madeOn, attributes } = entry
  if (name.endsWith('/')) return 'folder'
  const type = madeOn === MADE_ON_UNIX ? (attributes >>> 16) & FILE_TYPE_MASK : 0
  if (type === FILE_TYPE_LINK) return 'link'
  if (type !== 0 && type !== FILE_TYPE_REGULAR) return 'device'
  if ((flags & ZIP_FLAG_ENCRYPTED) !== 0) return 'encrypted'
  if (method !== STORED && method !== DEFLATED) return 'method'
  return memberNameProblem(name, limits.nameBytesMax) === undefined ? undefined : 'name'
}

function memberOf(file: ByteFile, entry: CentralEntry, limits: ArchiveLimits): ArchiveEntry {
  const { name, sizeBytes, offsetBytes, time } = entry
  return {
    kind: 'member',
    name,
    sizeBytes,
    modifiedMs: fromDosTime(time),
    offsetBytes,
    bytes: () => memberBytes(file, entry, limits),
  }
}

async function* memberBytes(
  file: ByteFile,
  entry: CentralEntry,
  limits: ArchiveLimits,
): AsyncGenerator<Buffer> {
  const fromBytes = await dataOffset(file, entry)
  const endBytes = fromBytes + entry.packedBytes
  if (endBytes > file.sizeBytes) throw invalid('it ends in the middle')
  const packed = chunksOf(new ByteReader(sourceOfFile(file, { fromBytes, endBytes })))
  const chunks = entry.method === STORED ? packed : inflateRaw(packed, limits)
  let crc = 0
  let bytes = 0
  for await (const chunk of chunks) {
    bytes += chunk.length
    if (bytes > entry.sizeBytes) break
    crc = crc32(chunk, crc)
    yield chunk
  }
  if (bytes !== entry.sizeBytes) throw invalid(`${entry.name} is not as long as it says`)
  if (crc !== entry.crc) throw invalid(`${entry.name} does not match its checksum`)
}

/** Where the bytes of an entry begin, after its header was found to say the same as the directory. */
async function dataOffset(file: ByteFile, entry: CentralEntry): Promise<number> {
  const { offsetBytes, nameBytes } = entry
  const headerBytes = ZIP_LOCAL_BYTES + nameBytes.length
  if (offsetBytes + headerBytes > file.sizeBytes) throw invalid('it ends in the middle')
  const header = await file.read(offsetBytes, headerBytes)
  const agrees =
    header.readUInt32LE(0) === ZIP_LOCAL &&
    header.readUInt16LE(8) === entry.method &&
    header.readUInt16LE(26) === nameBytes.length &&
    header.subarray(ZIP_LOCAL_BYTES).equals(nameBytes) &&
    agreesOnSizes(header, entry)
  if (!agrees) throw invalid('the header of an entry says something else than the directory')
  return offsetBytes + headerBytes + header.readUInt16LE(28)
}

/** Where checksum and sizes stand behind the bytes, the header has zeros; large sizes stand elsewhere. */
function agreesOnSizes(header: Buffer, entry: CentralEntry): boolean {
  const isDescribed = (header.readUInt16LE(6) & ZIP_FLAG_DESCRIPTOR) !== 0
  const same = (stated: number, value: number): boolean =>
    stated === value || stated === ZIP_32_MAX || (isDescribed && stated === 0)
  return (
    same(header.readUInt32LE(14), entry.crc) &&
    same(header.readUInt32LE(18), entry.packedBytes) &&
    same(header.readUInt32LE(22), entry.sizeBytes)
  )
}

async function* chunksOf(reader: ByteReader): AsyncGenerator<Buffer> {
  for (;;) {
    const chunk = await reader.some(ZIP_16_MAX + 1)
    if (chunk === undefined) return
    yield chunk
  }
}
