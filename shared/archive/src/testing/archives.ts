import type { ByteFile } from '../byte-source.ts'
import type { ArchiveFormat } from '../format.ts'
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../limits.ts'
import { readArchive } from '../reader.ts'
import { openArchiveWriter } from '../writer.ts'

/** 14 November 2023, 22:13:20: an even second. */
export const MODIFIED_MS = 1_700_000_000_000

/** Bytes of an archive in memory; counts what is asked of it. */
export class MemoryFile implements ByteFile {
  readonly sizeBytes: number
  readBytes = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.sizeBytes = bytes.length
  }

  read(offsetBytes: number, lengthBytes: number): Promise<Buffer> {
    if (offsetBytes < 0 || offsetBytes + lengthBytes > this.sizeBytes)
      return Promise.reject(new Error(`${offsetBytes}+${lengthBytes} lies outside`))
    this.readBytes += lengthBytes
    return Promise.resolve(this.#bytes.subarray(offsetBytes, offsetBytes + lengthBytes))
  }
}

/** Members by name, in order, as an archive. */
export async function pack(
  format: ArchiveFormat,
  members: Readonly<Record<string, Buffer | string>>,
): Promise<Buffer> {
  const chunks: Buffer[] = []
  const writer = openArchiveWriter(format, {
    write: (chunk) => {
      chunks.push(chunk)
    },
    end: () => undefined,
  })
  for (const [name, content] of Object.entries(members)) {
    const bytes = Buffer.from(content)
    const member = { name, sizeBytes: bytes.length, modifiedMs: MODIFIED_MS }
    await writer.add(member, async (write) => {
      for (let at = 0; at < bytes.length; at += 100_000)
        await write(bytes.subarray(at, at + 100_000))
    })
  }
  await writer.end()
  return Buffer.concat(chunks)
}

/** All members with their bytes; of what is no member why not, in brackets. */
export async function unpack(
  format: ArchiveFormat,
  archive: Buffer,
  limits: ArchiveLimits = ARCHIVE_LIMITS,
): Promise<Readonly<Record<string, string>>> {
  const found: Record<string, string> = {}
  for await (const entry of readArchive(format, new MemoryFile(archive), limits)) {
    if (entry.kind === 'left-out') {
      found[entry.name] = `[${entry.why}]`
      continue
    }
    const chunks: Buffer[] = []
    for await (const chunk of entry.bytes()) chunks.push(Buffer.from(chunk))
    found[entry.name] = Buffer.concat(chunks).toString('latin1')
  }
  return found
}
