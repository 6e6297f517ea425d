import { promisify } from 'node:util'
import { constants, crc32, deflateRaw } from 'node:zlib'
import type { ByteSink } from './sinks.ts'

/** Level 1 costs a third of level 6 and leaves a few per cent more bytes: the source is mostly packed already. */
const LEVEL = 1

/** No file name, no date, unknown system (RFC 1952 §2.3): the same members give the same bytes. */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])

/** An empty last block (RFC 1951 §3.2.6): the blocks before it end on whole bytes, none says it is the last. */
const LAST_BLOCK = Buffer.from([3, 0])

const deflate = promisify(deflateRaw)

/**
 * One gzip stream. Every buffer is packed by itself in the thread pool and ended with an empty block,
 * so that a megabyte at a time is in memory and nothing waits on the event loop.
 */
export class GzipSink implements ByteSink {
  readonly #next: ByteSink
  #crc = 0
  #sizeBytes = 0

  constructor(next: ByteSink) {
    this.#next = next
  }

  async write(chunk: Buffer): Promise<void> {
    const packing = deflate(chunk, { level: LEVEL, finishFlush: constants.Z_SYNC_FLUSH })
    this.#crc = crc32(chunk, this.#crc)
    const packed = await packing
    if (this.#sizeBytes === 0) await this.#next.write(HEADER)
    this.#sizeBytes += chunk.length
    await this.#next.write(packed)
  }

  async end(): Promise<void> {
    const trailer = Buffer.alloc(8)
    trailer.writeUInt32LE(this.#crc, 0)
    // The size modulo 2^32 (RFC 1952 §2.3.1).
    trailer.writeUInt32LE(this.#sizeBytes % 2 ** 32, 4)
    if (this.#sizeBytes === 0) await this.#next.write(HEADER)
    await this.#next.write(Buffer.concat([LAST_BLOCK, trailer]))
    await this.#next.end()
  }
}
