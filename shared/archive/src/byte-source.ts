import { invalid } from './limits.ts'

/** An archive at rest, of which any part can be had. */
export interface ByteFile {
  readonly sizeBytes: number
  /** Exactly these bytes, which lie inside. */
  read(offsetBytes: number, lengthBytes: number): Promise<Buffer>
}

/** Bytes in order. */
export interface ByteSource {
  /** The next bytes, at least one; `undefined` at the end. */
  next(): Promise<Buffer | undefined>
  /** Passes over at most so many bytes without reading them; @returns how many. */
  skip(lengthBytes: number): number
  /** Nothing more is wanted of it: what is packed is read to its end all the same, for its checksum. */
  finish(): Promise<void>
  /** Ends it early. */
  close(): Promise<void>
}

/** Read at once: headers of small members come together, large members are passed over. */
const READ_BYTES = 64 * 1024

/** The bytes of a file from its beginning, or of a part of it. */
export function sourceOfFile(
  file: ByteFile,
  part: { readonly fromBytes: number; readonly endBytes: number } = {
    fromBytes: 0,
    endBytes: file.sizeBytes,
  },
): ByteSource {
  let offset = part.fromBytes
  return {
    next: async () => {
      const lengthBytes = Math.min(READ_BYTES, part.endBytes - offset)
      if (lengthBytes <= 0) return undefined
      const bytes = await file.read(offset, lengthBytes)
      offset += lengthBytes
      return bytes
    },
    skip: (lengthBytes) => {
      const skipped = Math.min(lengthBytes, part.endBytes - offset)
      offset += skipped
      return skipped
    },
    finish: () => Promise.resolve(),
    close: () => Promise.resolve(),
  }
}

/** Bytes that come from somewhere, unpacked perhaps. */
export function sourceOfChunks(chunks: AsyncGenerator<Buffer>): ByteSource {
  return {
    next: async () => {
      for (;;) {
        const { done, value } = await chunks.next()
        if (done === true) return undefined
        if (value.length > 0) return value
      }
    },
    skip: () => 0,
    finish: async () => {
      for await (const _ of chunks);
    },
    close: async () => {
      await chunks.return(undefined)
    },
  }
}

/** Reads a source in pieces of the size that is wanted. */
export class ByteReader {
  readonly #source: ByteSource
  #rest: Buffer = Buffer.alloc(0)
  #position = 0

  constructor(source: ByteSource) {
    this.#source = source
  }

  /** Bytes read and passed over so far. */
  get position(): number {
    return this.#position
  }

  /** At most so many bytes, at least one; `undefined` at the end. */
  async some(lengthBytesMax: number): Promise<Buffer | undefined> {
    if (this.#rest.length === 0) this.#rest = (await this.#source.next()) ?? this.#rest
    if (this.#rest.length === 0) return undefined
    const bytes = this.#rest.subarray(0, lengthBytesMax)
    this.#take(bytes.length)
    return bytes
  }

  /**
   * Exactly so many bytes; `undefined` at the end, before the first of them. For what has a known bound.
   *
   * @throws Failure `archive-invalid` when they end in the middle
   */
  async exactly(lengthBytes: number): Promise<Buffer | undefined> {
    if (this.#rest.length >= lengthBytes) {
      const bytes = this.#rest.subarray(0, lengthBytes)
      this.#take(lengthBytes)
      return bytes
    }
    const pieces: Buffer[] = []
    let leftBytes = lengthBytes
    while (leftBytes > 0) {
      const piece = await this.some(leftBytes)
      if (piece === undefined) {
        if (pieces.length === 0) return undefined
        throw invalid('it ends in the middle')
      }
      pieces.push(piece)
      leftBytes -= piece.length
    }
    return Buffer.concat(pieces)
  }

  /** As `exactly`, where the end is a fault too. */
  async needed(lengthBytes: number): Promise<Buffer> {
    if (lengthBytes === 0) return Buffer.alloc(0)
    const bytes = await this.exactly(lengthBytes)
    if (bytes === undefined) throw invalid('it ends in the middle')
    return bytes
  }

  /** @throws Failure `archive-invalid` when there are not so many */
  async skip(lengthBytes: number): Promise<void> {
    const atHand = Math.min(lengthBytes, this.#rest.length)
    this.#take(atHand)
    let leftBytes = lengthBytes - atHand
    while (leftBytes > 0) {
      const skipped = this.#source.skip(leftBytes)
      this.#position += skipped
      leftBytes -= skipped
      if (leftBytes === 0) return
      const piece = await this.some(leftBytes)
      if (piece === undefined) throw invalid('it ends in the middle')
      leftBytes -= piece.length
    }
  }

  /** As `ByteSource.finish`. */
  finish(): Promise<void> {
    return this.#source.finish()
  }

  close(): Promise<void> {
    return this.#source.close()
  }

  #take(lengthBytes: number): void {
    this.#rest = this.#rest.subarray(lengthBytes)
    this.#position += lengthBytes
  }
}
