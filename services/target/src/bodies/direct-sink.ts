import assert from 'node:assert/strict'
import { closeSync } from 'node:fs'
import { DIRECT_ALIGNMENT_BYTES, isRefusal, refuseDirect } from '../os/direct-file.ts'
import { type DiskGate, diskFailure, diskGateOf } from '../os/disk-gate.ts'
import { writeSome } from '../os/file-io.ts'
import type { BodySink } from './body-sink.ts'

/** Bytes of one direct write: larger ones are no faster. */
export const DIRECT_WRITE_BYTES = 512 * 1024

export interface DirectSinkOptions {
  /** For the last bytes, which fill no block of the disk. */
  readonly fd: number
  /** The same file, opened with `O_DIRECT`; closed by the sink. */
  readonly directFd: number
  /** Where the first byte goes: a multiple of the disk's block; default 0. */
  readonly offset?: number | undefined
  /** Page-aligned memory, at least two writes long. */
  readonly ring: Buffer
  /** Told how many bytes of the sink are in the file, after each write. */
  readonly onWritten?: ((writtenBytes: number) => void) | undefined
  readonly gate?: DiskGate | undefined
  /** The ring is not used any more. */
  onClose(): void
}

/**
 * Writes chunks one after the other past the page cache: copied into a ring of memory, and from there
 * to the disk by a thread of the pool, one write at a time. What was written stays readable in the
 * ring until later bytes take its place.
 *
 * Bytes: `#writtenBytes <= #takenBytes`; the ring holds `[#takenBytes - ring.length, #takenBytes)`.
 * Nothing from the block that `#writtenBytes` lies in onwards is overwritten before it is in the file.
 */
export class DirectSink implements BodySink {
  readonly holds = true
  readonly #options: DirectSinkOptions
  readonly #offset: number
  readonly #ring: Buffer
  readonly #gate: DiskGate
  #directFd: number | undefined
  #takenBytes = 0
  #writtenBytes = 0
  #writing: Promise<void> | undefined
  #failure: Error | undefined
  #closed = false

  constructor(options: DirectSinkOptions) {
    assert(options.ring.length >= 2 * DIRECT_WRITE_BYTES, 'a ring holds two writes')
    this.#options = options
    this.#offset = options.offset ?? 0
    this.#ring = options.ring
    this.#directFd = options.directFd
    this.#gate = options.gate ?? diskGateOf(options.fd)
  }

  get writtenBytes(): number {
    return this.#writtenBytes
  }

  get takenBytes(): number {
    return this.#takenBytes
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    const copied = this.#copyIn(chunk)
    this.#startWriting()
    if (copied < chunk.length) return this.#writeRest(chunk.subarray(copied))
  }

  isHeld(at: number): boolean {
    const oldest = Math.max(0, this.#takenBytes - this.#ring.length)
    return !this.#closed && at >= oldest && at < this.#takenBytes
  }

  copyHeld(at: number, into: Buffer): number {
    if (!this.isHeld(at)) return 0
    const from = at % this.#ring.length
    const wanted = Math.min(into.length, this.#takenBytes - at)
    const first = this.#ring.copy(into, 0, from, Math.min(this.#ring.length, from + wanted))
    return first + this.#ring.copy(into, first, 0, wanted - first)
  }

  async flush(): Promise<void> {
    for (;;) {
      await this.#writing
      if (this.#failure !== undefined) throw this.#failure
      if (this.#writtenBytes === this.#takenBytes) return
      this.#writing ??= this.#writeOnce()
    }
  }

  async settle(): Promise<void> {
    this.#failure ??= new Error('the sink was settled')
    await this.#writing
  }

  close(): void {
    assert(this.#writing === undefined && !this.#closed, 'a sink is closed once, when it is idle')
    this.#closed = true
    if (this.#directFd !== undefined) closeSync(this.#directFd)
    this.#options.onClose()
  }

  /** As much of the chunk as there is room for. */
  #copyIn(chunk: Buffer): number {
    const size = this.#ring.length
    const room = size - (this.#takenBytes - alignDown(this.#writtenBytes))
    const length = Math.min(room, chunk.length)
    const at = this.#takenBytes % size
    const first = chunk.copy(this.#ring, at, 0, length)
    if (first < length) chunk.copy(this.#ring, 0, first, length)
    this.#takenBytes += length
    return length
  }

  async #writeRest(chunk: Buffer): Promise<void> {
    for (let rest = chunk; rest.length > 0; ) {
      assert(this.#writing !== undefined, 'a full ring is being written')
      await this.#writing
      if (this.#failure !== undefined) throw this.#failure
      rest = rest.subarray(this.#copyIn(rest))
      this.#startWriting()
    }
  }

  #startWriting(): void {
    if (this.#failure !== undefined) return
    if (this.#takenBytes - this.#writtenBytes < DIRECT_WRITE_BYTES) return
    this.#writing ??= this.#writeOnce()
  }

  /** One write, and the next one when enough has come meanwhile. Never rejects; the failure is kept. */
  #writeOnce(): Promise<void> {
    return this.#writeNext()
      .catch((error: unknown) => {
        this.#failure ??= diskFailure(error, 'writing an object failed')
      })
      .finally(() => {
        this.#writing = undefined
        this.#startWriting()
      })
  }

  /** One span of the ring: whole blocks directly, or the beginning of a block through the page cache. */
  async #writeNext(): Promise<void> {
    const start = alignDown(this.#writtenBytes)
    const inRing = start % this.#ring.length
    const lengthBytes = Math.min(
      this.#takenBytes - start,
      this.#ring.length - inRing,
      DIRECT_WRITE_BYTES,
    )
    const wholeBytes = alignDown(lengthBytes)
    const directFd = wholeBytes > 0 ? this.#directFd : undefined
    const spanBytes = directFd === undefined ? lengthBytes : wholeBytes
    const span = this.#ring.subarray(inRing, inRing + spanBytes)
    const wroteBytes = await this.#writeSpan(directFd, span, start)
    assert(wroteBytes > 0, 'a write that wrote nothing reports an error')
    this.#writtenBytes = Math.max(this.#writtenBytes, start + wroteBytes)
    this.#options.onWritten?.(this.#writtenBytes)
  }

  async #writeSpan(directFd: number | undefined, span: Buffer, start: number): Promise<number> {
    const fd = directFd ?? this.#options.fd
    try {
      // Patient: a write that may still happen must keep its descriptor and its memory.
      return await this.#gate.run(() => writeSome(fd, [span], this.#offset + start), {
        patient: true,
      })
    } catch (error) {
      if (directFd === undefined || !isRefusal(error)) throw error
      this.#directFd = undefined
      refuseDirect(directFd)
      return this.#writeSpan(undefined, span, start)
    }
  }
}

function alignDown(bytes: number): number {
  return bytes - (bytes % DIRECT_ALIGNMENT_BYTES)
}
