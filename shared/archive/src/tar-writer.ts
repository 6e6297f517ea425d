import {
  type ArchiveWriter,
  checkMemberName,
  type MemberBytes,
  type NewMember,
  pumpExactly,
} from './member.ts'
import type { ByteSink } from './sinks.ts'
import { encodeTarHeader, TAR_END_BYTES, tarPaddingBytes } from './tar-header.ts'

const ZEROS = Buffer.alloc(TAR_END_BYTES)

/** TAR: a header of 512 bytes, the bytes, zeros up to the next 512; two blocks of zeros at the end. */
export class TarWriter implements ArchiveWriter {
  readonly #sink: ByteSink

  constructor(sink: ByteSink) {
    this.#sink = sink
  }

  async add(member: NewMember, bytes: MemberBytes): Promise<void> {
    checkMemberName(member.name)
    await this.#sink.write(encodeTarHeader(member))
    await pumpExactly(member, bytes, (chunk) => this.#sink.write(chunk))
    await this.#sink.write(ZEROS.subarray(0, tarPaddingBytes(member.sizeBytes)))
  }

  async end(): Promise<void> {
    await this.#sink.write(ZEROS)
    await this.#sink.end()
  }
}
