/** Takes bytes in order. While a promise that `write` returned is pending, nothing more is given. */
export interface ByteSink {
  /** The chunk belongs to the sink from now on. */
  write(chunk: Buffer): void | Promise<void>
  /** Everything was given; resolves when all of it was handed on. */
  end(): void | Promise<void>
}

/** Gathered before they are handed on, bytes: a header of 512 bytes is not worth a write of its own. */
export const GATHER_BYTES = 1024 ** 2

/** Hands on buffers of `GATHER_BYTES`, the last one shorter; each is a buffer of its own. */
export class GatheringSink implements ByteSink {
  readonly #next: ByteSink
  #buffer: Buffer | undefined
  #filledBytes = 0

  constructor(next: ByteSink) {
    this.#next = next
  }

  write(chunk: Buffer): void | Promise<void> {
    const free = GATHER_BYTES - this.#filledBytes
    if (chunk.length >= free) return this.#fillUp(chunk)
    this.#copy(chunk)
  }

  async end(): Promise<void> {
    await this.#handOn()
    await this.#next.end()
  }

  async #fillUp(chunk: Buffer): Promise<void> {
    for (let offset = 0; offset < chunk.length; ) {
      const piece = chunk.subarray(offset, offset + GATHER_BYTES - this.#filledBytes)
      this.#copy(piece)
      offset += piece.length
      if (this.#filledBytes === GATHER_BYTES) await this.#handOn()
    }
  }

  #copy(chunk: Buffer): void {
    this.#buffer ??= Buffer.allocUnsafe(GATHER_BYTES)
    chunk.copy(this.#buffer, this.#filledBytes)
    this.#filledBytes += chunk.length
  }

  #handOn(): void | Promise<void> {
    const full = this.#buffer?.subarray(0, this.#filledBytes)
    this.#buffer = undefined
    this.#filledBytes = 0
    if (full !== undefined && full.length > 0) return this.#next.write(full)
  }
}
