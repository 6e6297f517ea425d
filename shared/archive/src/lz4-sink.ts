import { Xxh32, xxh32 } from '@node-rs/xxhash'
import { compress } from 'lz4-napi'
import { LZ4_BLOCK_CODE, LZ4_FLAGS, LZ4_MAGIC, LZ4_STORED } from './lz4-frame.ts'
import type { ByteSink } from './sinks.ts'

/** What the library puts before a block: the size of what is in it. A frame does not want it. */
const PREFIX_BYTES = 4

/**
 * One LZ4 frame with a checksum of the content. Every buffer is a block of its own, packed in the thread
 * pool; buffers must not be longer than 1 MiB, which is what `GatheringSink` gives.
 */
export class Lz4Sink implements ByteSink {
  readonly #next: ByteSink
  readonly #hash = new Xxh32(0)
  #begun = false

  constructor(next: ByteSink) {
    this.#next = next
  }

  async write(chunk: Buffer): Promise<void> {
    if (!this.#begun) await this.#begin()
    const packing = compress(chunk)
    this.#hash.update(chunk)
    const packed = await packing
    const packedBytes = packed.length - PREFIX_BYTES
    if (packedBytes >= chunk.length) {
      await this.#next.write(word(LZ4_STORED + chunk.length))
      return await this.#next.write(chunk)
    }
    // The prefix has the width of the block's own size, so it is overwritten.
    packed.writeUInt32LE(packedBytes, 0)
    await this.#next.write(packed)
  }

  async end(): Promise<void> {
    if (!this.#begun) await this.#begin()
    await this.#next.write(Buffer.concat([word(0), word(this.#hash.digest())]))
    await this.#next.end()
  }

  async #begin(): Promise<void> {
    this.#begun = true
    const descriptor = Buffer.from([LZ4_FLAGS, LZ4_BLOCK_CODE << 4])
    const check = Buffer.from([(xxh32(descriptor, 0) >>> 8) & 0xff])
    await this.#next.write(Buffer.concat([word(LZ4_MAGIC), descriptor, check]))
  }
}

function word(value: number): Buffer {
  const buffer = Buffer.allocUnsafe(4)
  buffer.writeUInt32LE(value, 0)
  return buffer
}
