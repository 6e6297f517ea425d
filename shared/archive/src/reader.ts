/**
 * Reading an archive: its entries in order, the bytes of a member where they are wanted. Nothing is ever
 * unpacked to a file; memory is bounded whatever the archive says of itself.
 */

import { type ByteFile, ByteReader, sourceOfChunks, sourceOfFile } from './byte-source.ts'
import type { ArchiveEntry, ArchiveMember } from './entry.ts'
import type { ArchiveFormat } from './format.ts'
import { gunzip } from './gunzip.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits } from './limits.ts'
import { unpackLz4 } from './lz4-reader.ts'
import { tarPaddingBytes } from './tar-header.ts'
import { readTar } from './tar-reader.ts'
import { readZip } from './zip-reader.ts'

/** Read of a packed archive at a time, bytes. */
const PACKED_READ_BYTES = 256 * 1024

/**
 * The entries of an archive, in its order. Whoever stops early calls `return`, as `for await` does.
 *
 * @throws Failure `archive-invalid` at the entry from which on it cannot be read; what `file` throws
 */
export function readArchive(
  format: ArchiveFormat,
  file: ByteFile,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): AsyncGenerator<ArchiveEntry, unknown> {
  switch (format) {
    case 'tar':
      return readTar(new ByteReader(sourceOfFile(file)), limits)
    case 'tgz':
      return readTar(new ByteReader(sourceOfChunks(gunzip(chunksOf(file), limits))), limits)
    case 'tar.lz4':
      return readTar(new ByteReader(sourceOfChunks(unpackLz4(chunksOf(file), limits))), limits)
    case 'zip':
      return readZip(file, limits)
    default:
      return format satisfies never
  }
}

/**
 * The entries of a TAR from the header at `fromBytes` on, where an entry or the end has to begin. Offsets
 * of members are of the file.
 *
 * @throws Failure as `readArchive`
 */
export async function* readTarFrom(
  file: ByteFile,
  fromBytes: number,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): AsyncGenerator<ArchiveEntry, void> {
  const rest = sourceOfFile(file, { fromBytes, endBytes: file.sizeBytes })
  for await (const entry of readTar(new ByteReader(rest), limits)) {
    if (entry.kind !== 'member') yield entry
    else yield { ...entry, offsetBytes: fromBytes + entry.offsetBytes }
  }
}

/** Where the next header of a TAR is, bytes of the file. */
export function tarEndOf({
  offsetBytes,
  sizeBytes,
}: Pick<ArchiveMember, 'offsetBytes' | 'sizeBytes'>): number {
  return offsetBytes + sizeBytes + tarPaddingBytes(sizeBytes)
}

/**
 * Where the end of a TAR begins, bytes: whole entries lie before it.
 *
 * @throws Failure as `readArchive`
 */
export async function findTarEnd(
  file: ByteFile,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<number> {
  const entries = readTar(new ByteReader(sourceOfFile(file)), limits)
  for (;;) {
    const entry = await entries.next()
    if (entry.done === true) return entry.value
  }
}

async function* chunksOf(file: ByteFile): AsyncGenerator<Buffer> {
  for (let offset = 0; offset < file.sizeBytes; offset += PACKED_READ_BYTES)
    yield file.read(offset, Math.min(PACKED_READ_BYTES, file.sizeBytes - offset))
}
