import { crc32 } from 'node:zlib'
import type { UploadBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'

/**
 * How a body travels. `plain`: the bytes alone. `framed`: aws-chunked with a CRC32 at its end (S3
 * API, STREAMING-UNSIGNED-PAYLOAD-TRAILER), so that no store can take a body that was cut for a
 * whole one. Some do: versitygw 1.8.0 commits what came of a plain body when the connection closes.
 */
export type Framing = 'plain' | 'framed'

/**
 * What stands around a plain body in its request, such as the parts of multipart/related (RFC 2387).
 * Without the tail the request is malformed, so a body that was cut is none.
 */
export interface Envelope {
  readonly head: Buffer
  readonly tail: Buffer
}

/** Bytes of one frame; stores refuse frames of more than 16 MiB. */
const FRAME_BYTES = 1024 ** 2

/** `CRLF 0 CRLF x-amz-checksum-crc32:` 8 characters of base64 `CRLF CRLF` */
const TRAILER_BYTES = '\r\n0\r\nx-amz-checksum-crc32:'.length + 8 + '\r\n\r\n'.length

/**
 * Chunks below this are copied. A socket takes a smaller chunk (its high-water mark is 64 KiB) and
 * lets the next be asked for while the bytes still wait, but the producer may reuse its buffer then;
 * a larger one holds the producer until everything was handed to the system.
 */
const COPY_BELOW_BYTES = 64 * 1024 + 1

/** An upload on its way out, and what became of its source. */
export class UploadStream {
  readonly framing: Framing
  readonly #body: UploadBody
  readonly #envelope: Envelope | undefined
  #takenBytes = 0
  #done = false
  #failure: { readonly error: unknown } | undefined

  constructor(body: UploadBody, framing: Framing, envelope?: Envelope) {
    this.#body = body
    this.#envelope = envelope
    // An empty body cannot be cut.
    this.framing = body.lengthBytes === 0 ? 'plain' : framing
  }

  /** Bytes of the object. */
  get lengthBytes(): number {
    return this.#body.lengthBytes
  }

  /** Bytes on the wire: Content-Length. */
  get wireBytes(): number {
    const { lengthBytes } = this
    if (this.#envelope !== undefined) {
      return this.#envelope.head.length + lengthBytes + this.#envelope.tail.length
    }
    if (this.framing === 'plain') return lengthBytes
    const fullCount = Math.floor(lengthBytes / FRAME_BYTES)
    const restBytes = lengthBytes % FRAME_BYTES
    const heads =
      fullCount * frameHead(FRAME_BYTES, false).length +
      (restBytes === 0 ? 0 : frameHead(restBytes, false).length)
    // The first head lacks the CRLF that ends the frame before it.
    return heads - 2 + lengthBytes + TRAILER_BYTES
  }

  /** What the source threw. */
  get failure(): { readonly error: unknown } | undefined {
    return this.#failure
  }

  /** True when everything was handed to the connection. */
  get isSent(): boolean {
    if (this.#done) return true
    const bare = this.framing === 'plain' && this.#envelope === undefined
    return bare && this.#takenBytes === this.lengthBytes
  }

  /** The bytes as they go over the wire. */
  async *iterate(): AsyncGenerator<Buffer> {
    try {
      if (this.#envelope !== undefined) yield* this.#enveloped(this.#envelope)
      else if (this.framing === 'plain') yield* this.#plain()
      else yield* this.#framed()
    } catch (error) {
      this.#failure = { error }
      throw error
    }
  }

  async *#plain(): AsyncGenerator<Buffer> {
    for await (const chunk of this.#body.chunks()) {
      this.#count(chunk)
      yield held(chunk)
    }
    this.#checkWhole()
    this.#done = true
  }

  async *#enveloped({ head, tail }: Envelope): AsyncGenerator<Buffer> {
    yield head
    yield* this.#plain()
    yield tail
  }

  async *#framed(): AsyncGenerator<Buffer> {
    let crc = 0
    let frameLeft = 0
    let sent = 0
    for await (const chunk of this.#body.chunks()) {
      this.#count(chunk)
      crc = crc32(chunk, crc)
      for (let at = 0; at < chunk.length; ) {
        if (frameLeft === 0) {
          frameLeft = Math.min(FRAME_BYTES, this.lengthBytes - sent)
          yield frameHead(frameLeft, sent === 0)
        }
        const piece = chunk.subarray(at, at + frameLeft)
        at += piece.length
        sent += piece.length
        frameLeft -= piece.length
        yield held(piece)
      }
    }
    this.#checkWhole()
    this.#done = true
    yield trailer(crc)
  }

  #count(chunk: Buffer): void {
    this.#takenBytes += chunk.length
    if (this.#takenBytes > this.lengthBytes) throw this.#wrongLength()
  }

  #checkWhole(): void {
    if (this.#takenBytes !== this.lengthBytes) throw this.#wrongLength()
  }

  #wrongLength(): Failure {
    const message = `the source gave ${this.#takenBytes} bytes of ${this.lengthBytes} announced`
    return new Failure('body-incomplete', message)
  }
}

function frameHead(bytes: number, first: boolean): Buffer {
  return Buffer.from(`${first ? '' : '\r\n'}${bytes.toString(16)}\r\n`, 'latin1')
}

function trailer(crc: number): Buffer {
  const digest = Buffer.alloc(4)
  digest.writeUInt32BE(crc)
  return Buffer.from(`\r\n0\r\nx-amz-checksum-crc32:${digest.toString('base64')}\r\n\r\n`, 'latin1')
}

function held(chunk: Buffer): Buffer {
  return chunk.length < COPY_BELOW_BYTES ? Buffer.from(chunk) : chunk
}
