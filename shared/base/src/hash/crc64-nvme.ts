import { createCRC64 } from 'hash-wasm'

/** CRC-64/NVME as hash-wasm wants it: the reflected polynomial, hexadecimal. */
const POLYNOMIAL = '9a6c9329ac4bc9b5'

/**
 * The one instance. Creating one is asynchronous, changing its state is not and takes under a
 * microsecond, so all streams share it, each loading its own state before a chunk.
 */
const engine = await createCRC64(POLYNOMIAL)
const initial = engine.init().save()

/** A running CRC-64/NVME. */
export class Crc64Nvme {
  #state: Uint8Array = initial

  update(chunk: Uint8Array): void {
    engine.load(this.#state)
    engine.update(chunk)
    this.#state = engine.save()
  }

  /** 16 lower-case hexadecimal digits; the stream may go on afterwards. */
  digest(): string {
    engine.load(this.#state)
    return engine.digest('hex')
  }
}
