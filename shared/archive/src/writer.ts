/**
 * Writing an archive: members one after the other into a sink, in buffers of a megabyte. The same
 * members give the same bytes, whenever and wherever they are written.
 */

import type { ArchiveFormat } from './format.ts'
import { GzipSink } from './gzip-sink.ts'
import { Lz4Sink } from './lz4-sink.ts'
import type { ArchiveWriter, NewMember } from './member.ts'
import { type ByteSink, GatheringSink } from './sinks.ts'
import { TAR_END_BYTES, tarMemberBytes } from './tar-header.ts'
import { TarWriter } from './tar-writer.ts'
import { ZipWriter, zipBytes, zipMemberBytes } from './zip-writer.ts'

/** Members go to `sink` as an archive of this format, in buffers of at most about 1 MiB. */
export function openArchiveWriter(format: ArchiveFormat, sink: ByteSink): ArchiveWriter {
  switch (format) {
    case 'tar':
      return new TarWriter(new GatheringSink(sink))
    case 'tgz':
      return new TarWriter(new GatheringSink(new GzipSink(sink)))
    case 'tar.lz4':
      return new TarWriter(new GatheringSink(new Lz4Sink(sink)))
    case 'zip':
      return new ZipWriter(new GatheringSink(sink))
    default:
      return format satisfies never
  }
}

/** How long the archive of these members will be, bytes; `undefined` where it is packed. */
export function archiveBytes(
  format: ArchiveFormat,
  members: readonly NewMember[],
): number | undefined {
  if (format === 'zip') return zipBytes(members)
  if (format !== 'tar') return undefined
  return members.reduce((sum, member) => sum + tarMemberBytes(member), TAR_END_BYTES)
}

/** What one member takes of an archive before it is packed, bytes. */
export function memberBytes(
  format: ArchiveFormat,
  member: Pick<NewMember, 'name' | 'sizeBytes'>,
): number {
  return format === 'zip' ? zipMemberBytes(member) : tarMemberBytes(member)
}
