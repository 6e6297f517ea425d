import type { UploadBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'

/**
 * Chunks below this are copied. A socket takes a smaller chunk (its high-water mark is 64 KiB) and
 * lets the next be asked for while the bytes still wait, but the producer may reuse its buffer then;
 * a larger one holds the producer until everything was handed to the system.
 */
const COPY_BELOW_BYTES = 64 * 1024 + 1

/** An upload on its way out, and what became of its source. */
export class UploadStream {
  readonly #body: UploadBody
  #sentBytes = 0
  #failure: { readonly error: unknown } | undefined

  constructor(body: UploadBody) {
    this.#body = body
  }

  get lengthBytes(): number {
    return this.#body.lengthBytes
  }

  /** What the source threw. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** True when every announced byte was handed to the connection. */
  get isSent(): boolean {
    return this.#sentBytes === this.#body.lengthBytes
  }

  async *iterate(): AsyncGenerator<Buffer> {
    try {
      for await (const chunk of this.#body.chunks()) {
        this.#sentBytes += chunk.length
        if (this.#sentBytes > this.#body.lengthBytes) throw this.#wrongLength()
        yield chunk.length < COPY_BELOW_BYTES ? Buffer.from(chunk) : chunk
      }
      if (!this.isSent) throw this.#wrongLength()
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  #wrongLength(): Failure {
    const message = `the source gave ${this.#sentBytes} bytes of ${this.#body.lengthBytes} announced`
    return new Failure('body-incomplete', message)
  }
}
