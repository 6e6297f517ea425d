import {
  CRC64_ENGINE_BYTES,
  Crc64Engine,
  crc64Code,
  FOLD_MARGIN_BYTES,
  FOLD_SPAN_BYTES,
  formatCrc64,
  initialCrc64,
} from './crc64-code.ts'
import { allocateMemory, compile } from './wasm-module.ts'

/** Bytes taken at a time; a chunk of a body fits. */
const BUFFER_BYTES = 64 * 1024

/** A multiple of 16. */
const BUFFER_AT = Math.ceil((CRC64_ENGINE_BYTES + FOLD_SPAN_BYTES) / 16) * 16

/** The one of this thread: all streams share it, each with its own state. */
const memory = allocateMemory(BUFFER_AT + BUFFER_BYTES + FOLD_MARGIN_BYTES)
const buffer = new Uint8Array(memory.buffer, BUFFER_AT, BUFFER_BYTES)
const engine = new Crc64Engine(memory, 0, compile(crc64Code(), memory))

/** A running CRC-64/NVME. */
export class Crc64Nvme {
  readonly #state = initialCrc64()

  update(chunk: Uint8Array): void {
    for (let from = 0; from < chunk.length; from += BUFFER_BYTES) {
      const piece = chunk.subarray(from, from + BUFFER_BYTES)
      buffer.set(piece)
      engine.update(this.#state, BUFFER_AT, piece.length)
    }
  }

  /** 16 lower-case hexadecimal digits; the stream may go on afterwards. */
  digest(): string {
    return formatCrc64(this.#state)
  }
}
