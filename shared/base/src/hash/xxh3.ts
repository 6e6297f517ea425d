import { createXXHash3, createXXHash128 } from 'hash-wasm'

/** The two widths of XXH3; one instance of each for all streams, as `Crc64Nvme` has it. */
const ENGINES = { xxh3: await createXXHash3(), xxh128: await createXXHash128() } as const
const INITIAL = {
  xxh3: ENGINES.xxh3.init().save(),
  xxh128: ENGINES.xxh128.init().save(),
} as const

/** A running XXH3 of 64 or 128 bits, seed 0. */
export class Xxh3 {
  readonly #width: keyof typeof ENGINES
  #state: Uint8Array

  constructor(width: keyof typeof ENGINES) {
    this.#width = width
    this.#state = INITIAL[width]
  }

  update(chunk: Uint8Array): void {
    const engine = ENGINES[this.#width]
    engine.load(this.#state)
    engine.update(chunk)
    this.#state = engine.save()
  }

  /** 16 or 32 lower-case hexadecimal digits; the stream may go on afterwards. */
  digest(): string {
    const engine = ENGINES[this.#width]
    engine.load(this.#state)
    return engine.digest('hex')
  }
}
