import { crc32 } from 'node:zlib'
import {
  type ArchiveWriter,
  checkMemberName,
  type MemberBytes,
  type NewMember,
  pumpExactly,
} from './member.ts'
import type { ByteSink } from './sinks.ts'
import {
  centralHeader,
  centralHeaderBytes,
  descriptor,
  descriptorBytes,
  endRecords,
  endRecordsBytes,
  localHeader,
  localHeaderBytes,
  type ZipEntry,
} from './zip-records.ts'

/**
 * Up to here a member waits in memory for its checksum, which then stands before its bytes, where
 * readers that do not seek want it; of larger ones it stands behind them.
 */
export const ZIP_HELD_BYTES_MAX = 1024 ** 2

/** ZIP: members stored as they are, a directory at the end. */
export class ZipWriter implements ArchiveWriter {
  readonly #sink: ByteSink
  readonly #entries: ZipEntry[] = []
  #offsetBytes = 0

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  async add(member: NewMember, bytes: MemberBytes): Promise<void> {
    checkMemberName(member.name)
    const entry =
      member.sizeBytes > ZIP_HELD_BYTES_MAX
        ? await this.#addLarge(member, bytes)
        : await this.#addSmall(member, bytes)
    this.#entries.push(entry)
    this.#offsetBytes += recordBytes(entry)
  }

  async end(): Promise<void> {
    let sizeBytes = 0
    for (const entry of this.#entries) {
      const header = centralHeader(entry)
      sizeBytes += header.length
      await this.#sink.write(header)
    }
    const directory = { count: this.#entries.length, offsetBytes: this.#offsetBytes, sizeBytes }
    await this.#sink.write(endRecords(directory))
    await this.#sink.end()
  }

  async #addSmall(member: NewMember, bytes: MemberBytes): Promise<ZipEntry> {
    const chunks: Buffer[] = []
    let crc = 0
    await pumpExactly(member, bytes, (chunk) => {
      crc = crc32(chunk, crc)
      chunks.push(chunk)
    })
    const entry = this.#entryOf(member, { crc, described: false })
    await this.#sink.write(localHeader(entry))
    for (const chunk of chunks) await this.#sink.write(chunk)
    return entry
  }

  async #addLarge(member: NewMember, bytes: MemberBytes): Promise<ZipEntry> {
    await this.#sink.write(localHeader(this.#entryOf(member, { crc: 0, described: true })))
    let crc = 0
    await pumpExactly(member, bytes, (chunk) => {
      crc = crc32(chunk, crc)
      return this.#sink.write(chunk)
    })
    const entry = this.#entryOf(member, { crc, described: true })
    await this.#sink.write(descriptor(entry))
    return entry
  }

  #entryOf(
    member: NewMember,
    sum: { readonly crc: number; readonly described: boolean },
  ): ZipEntry {
    const { name, sizeBytes, modifiedMs } = member
    return {
      nameBytes: Buffer.from(name),
      sizeBytes,
      modifiedMs,
      offsetBytes: this.#offsetBytes,
      ...sum,
    }
  }
}

/** How long the archive of these members will be, bytes. */
export function zipBytes(members: readonly NewMember[]): number {
  let offsetBytes = 0
  let directoryBytes = 0
  for (const { name, sizeBytes } of members) {
    const entry = {
      nameBytes: Buffer.from(name),
      sizeBytes,
      offsetBytes,
      described: sizeBytes > ZIP_HELD_BYTES_MAX,
    }
    directoryBytes += centralHeaderBytes(entry)
    offsetBytes += recordBytes(entry)
  }
  const directory = { count: members.length, offsetBytes, sizeBytes: directoryBytes }
  return offsetBytes + directoryBytes + endRecordsBytes(directory)
}

/** What a member takes of the archive with its entry in the directory, where both lie below 4 GiB. */
export function zipMemberBytes({ name, sizeBytes }: Pick<NewMember, 'name' | 'sizeBytes'>): number {
  const described = sizeBytes > ZIP_HELD_BYTES_MAX
  const entry = { nameBytes: Buffer.from(name), sizeBytes, offsetBytes: 0, described }
  return recordBytes(entry) + centralHeaderBytes(entry)
}

/** A member in the archive: header, bytes, and what follows them. */
function recordBytes(entry: Pick<ZipEntry, 'nameBytes' | 'sizeBytes' | 'described'>): number {
  const behind = entry.described ? descriptorBytes(entry.sizeBytes) : 0
  return localHeaderBytes(entry) + entry.sizeBytes + behind
}
