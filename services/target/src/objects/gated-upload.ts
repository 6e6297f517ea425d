import type { UploadBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { type DiskGate, diskGateOf } from '../os/disk-gate.ts'
import { readAt } from '../os/file-io.ts'

/** The end of a body that a backend does not get before every check has passed, bytes (rule 4). */
export const WITHHELD_TAIL_BYTES = 16 * 1024

/**
 * A body on its way from a growing work file to a backend. It follows what is received, stops short
 * of the tail until `open`, and breaks off when the receiver fails: a store that has not got the
 * last byte has nothing to commit.
 */
export class GatedUpload implements UploadBody {
  readonly lengthBytes: number
  readonly repeatable = true
  readonly #fd: number
  #receivedBytes = 0
  #opened = false
  #tailSent = false
  #failure: unknown
  #waiting: (() => void)[] = []

  constructor(fd: number, lengthBytes: number) {
    this.#fd = fd
    this.lengthBytes = lengthBytes
  }

  /** Bytes of the body that are in the file. */
  advance(receivedBytes: number): void {
    this.#receivedBytes = receivedBytes
    this.#wake()
  }

  /** Every check has passed: the tail may go. */
  open(): void {
    this.#opened = true
    this.#receivedBytes = this.lengthBytes
    this.#wake()
  }

  /** True once bytes of the tail were handed out: the backend may have got the last one. */
  get mayBeCommitted(): boolean {
    return this.#tailSent
  }

  /** The body is not to be committed. */
  fail(error: unknown): void {
    this.#failure = error ?? new Failure('internal', 'the upload was given up')
    this.#wake()
  }

  async *chunks(): AsyncIterable<Buffer> {
    let offset = 0
    let gate: DiskGate | undefined
    if (this.lengthBytes === 0) this.#tailSent = true
    while (offset < this.lengthBytes) {
      if (this.#failure !== undefined) throw this.#failure
      const limit = this.#limit()
      if (offset >= limit) {
        await new Promise<void>((resolve) => this.#waiting.push(resolve))
        continue
      }
      const buffer = Buffer.allocUnsafe(Math.min(PUMP_SLICE_BYTES, limit - offset))
      gate ??= diskGateOf(this.#fd)
      const at = offset
      const bytesRead = await gate.run(() => readAt(this.#fd, buffer, at))
      if (bytesRead === 0)
        throw new Failure('disk-error', 'a work file is shorter than what was written')
      offset += bytesRead
      if (offset > this.lengthBytes - WITHHELD_TAIL_BYTES) this.#tailSent = true
      yield buffer.subarray(0, bytesRead)
    }
  }

  #limit(): number {
    if (this.#opened) return this.lengthBytes
    return Math.min(this.#receivedBytes, this.lengthBytes - WITHHELD_TAIL_BYTES)
  }

  #wake(): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const resume of waiting) resume()
  }
}
