import { pageAlignedBuffer } from '../os/libc.ts'

/** Bytes of all rings together; a body that gets none is written through the page cache. */
export const RINGS_BYTES_MAX = 128 * 1024 ** 2

/** Of them, those kept while nobody needs them. */
export const RINGS_IDLE_BYTES_MAX = 32 * 1024 ** 2

/** A bounded stock of page-aligned buffers. */
export class Rings {
  readonly #max: number
  readonly #idle: Buffer[] = []
  #idleBytes = 0
  #lentBytes = 0

  constructor(maxBytes: number = RINGS_BYTES_MAX) {
    this.#max = maxBytes
  }

  get lentBytes(): number {
    return this.#lentBytes
  }

  /** A ring of exactly `lengthBytes`, of unknown content; undefined when the stock is spent. */
  take(lengthBytes: number): Buffer | undefined {
    if (this.#lentBytes + lengthBytes > this.#max) return undefined
    const ring = this.#takeIdle(lengthBytes) ?? pageAlignedBuffer(lengthBytes)
    if (ring !== undefined) this.#lentBytes += lengthBytes
    return ring
  }

  /** Returns a ring that nothing uses any more. */
  give(ring: Buffer): void {
    this.#lentBytes -= ring.length
    if (this.#idleBytes + ring.length > RINGS_IDLE_BYTES_MAX) return
    this.#idle.push(ring)
    this.#idleBytes += ring.length
  }

  #takeIdle(lengthBytes: number): Buffer | undefined {
    const at = this.#idle.findLastIndex((ring) => ring.length === lengthBytes)
    if (at < 0) return undefined
    this.#idleBytes -= lengthBytes
    return this.#idle.splice(at, 1)[0]
  }
}

/** The stock of this process. */
export const rings = new Rings()
