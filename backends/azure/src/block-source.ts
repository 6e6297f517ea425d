import type { UploadBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'

/** One body, handed out as the bodies of blocks; each is to be consumed before the next is asked for. */
export class BlockSource {
  readonly #chunks: AsyncIterator<Buffer>
  /** What the last block left of its last chunk; the producer may reuse it with the next chunk only. */
  #rest: Buffer = Buffer.alloc(0)

  constructor(body: UploadBody) {
    this.#chunks = body.chunks()[Symbol.asyncIterator]()
  }

  /** The next bytes; fewer when the body ends before, which `UploadStream` refuses. */
  block(lengthBytes: number): UploadBody {
    return { lengthBytes, repeatable: false, chunks: () => this.#take(lengthBytes) }
  }

  /** Resolves when the body ended here and well. @throws Failure `body-incomplete` when it goes on */
  async end(): Promise<void> {
    if (this.#rest.length === 0 && (await this.#chunks.next()).done === true) return
    throw new Failure('body-incomplete', 'the source gave more bytes than announced')
  }

  /** Tells the source that nobody asks any more. */
  async close(): Promise<void> {
    await this.#chunks.return?.()
  }

  async *#take(lengthBytes: number): AsyncGenerator<Buffer> {
    let leftBytes = lengthBytes
    while (leftBytes > 0) {
      if (this.#rest.length === 0) {
        const next = await this.#chunks.next()
        if (next.done === true) return
        this.#rest = next.value
      }
      const piece = this.#rest.subarray(0, leftBytes)
      this.#rest = this.#rest.subarray(piece.length)
      leftBytes -= piece.length
      if (piece.length > 0) yield piece
    }
  }
}
