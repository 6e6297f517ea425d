import assert from 'node:assert/strict'
import { writevSync } from 'node:fs'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { type DiskGate, diskFailure, diskGateOf } from '../os/disk-gate.ts'
import { writeSome } from '../os/file-io.ts'
import type { BodySink } from './body-sink.ts'
import { type WritePolicy, writePolicyOf } from './write-policy.ts'

/** Bytes gathered before they are written: the cheapest size. */
export const GATHER_BYTES = PUMP_SLICE_BYTES

/** Chunks gathered before they are written, however small; below IOV_MAX. */
export const GATHER_CHUNKS_MAX = 512

/** Bytes that may wait for the disk before the source must pause. */
export const QUEUED_BYTES_MAX = 4 * 1024 ** 2

/** Bytes that may wait for disks in the whole process; beyond, each body may hold only its share. */
export const QUEUED_TOTAL_BYTES_MAX = 128 * 1024 ** 2

/** What one body may hold whatever the others do: one slice being written, one being gathered. Bytes. */
export const QUEUED_SHARE_BYTES = 2 * GATHER_BYTES

/** Bytes of all sinks that wait for disks. */
let heldBytes = 0

/** For tests and metrics: bytes of bodies that wait for disks. */
export function queuedBodyBytes(): number {
  return heldBytes
}

export interface FileSinkOptions {
  readonly fd: number
  /** Where the first byte goes; default 0. */
  readonly offset?: number | undefined
  /** Told how many bytes of the sink are in the file, after each write. */
  readonly onWritten?: ((writtenBytes: number) => void) | undefined
  readonly policy?: WritePolicy | undefined
  readonly gate?: DiskGate | undefined
}

/**
 * Writes chunks one after the other into a file, gathered; on the event loop while that cannot block,
 * else on a thread of the pool, one write at a time. One owner, who ends with `flush` or `settle`
 * before the descriptor is closed.
 */
export class FileSink implements BodySink {
  readonly holds = false
  readonly #fd: number
  readonly #offset: number
  readonly #onWritten: ((writtenBytes: number) => void) | undefined
  readonly #policy: WritePolicy
  readonly #gate: DiskGate
  #chunks: Buffer[] = []
  #gatheredBytes = 0
  #writingBytes = 0
  #writtenBytes = 0
  #writing: Promise<void> | undefined
  #failure: Error | undefined

  constructor(options: FileSinkOptions) {
    this.#fd = options.fd
    this.#offset = options.offset ?? 0
    this.#onWritten = options.onWritten
    this.#policy = options.policy ?? writePolicyOf(options.fd)
    this.#gate = options.gate ?? diskGateOf(options.fd)
  }

  /** Bytes that are in the file (not necessarily on the disk). */
  get writtenBytes(): number {
    return this.#writtenBytes
  }

  get takenBytes(): number {
    return this.#writtenBytes + this.#writingBytes + this.#gatheredBytes
  }

  write(chunk: Buffer): void | Promise<void> {
    if (this.#failure !== undefined) throw this.#failure
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#gatheredBytes += chunk.length
    heldBytes += chunk.length
    if (this.#gatheredBytes >= GATHER_BYTES || this.#chunks.length >= GATHER_CHUNKS_MAX) {
      this.#writeGathered()
    }
    if (this.#isFull()) return this.#waitForRoom()
  }

  /** Resolves when every chunk is in the file. @throws as `write` */
  async flush(): Promise<void> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure
      this.#writeGathered()
      if (this.#writing === undefined) break
      await this.#writing
    }
  }

  /**
   * Forgets what was not written yet, and resolves when no write is under way: only then may the
   * descriptor be closed. Never rejects.
   */
  async settle(): Promise<void> {
    heldBytes -= this.#gatheredBytes
    this.#chunks = []
    this.#gatheredBytes = 0
    await this.#writing
  }

  isHeld(): boolean {
    return false
  }

  copyHeld(): number {
    return 0
  }

  close(): void {
    // What `flush` or `settle` left behind is nothing.
  }

  #isFull(): boolean {
    const small = this.#chunks.length < GATHER_CHUNKS_MAX
    const ownBytes = this.#gatheredBytes + this.#writingBytes
    if (ownBytes >= QUEUED_BYTES_MAX || !small) return true
    return heldBytes >= QUEUED_TOTAL_BYTES_MAX && ownBytes >= QUEUED_SHARE_BYTES
  }

  async #waitForRoom(): Promise<void> {
    while (this.#isFull() && this.#writing !== undefined) await this.#writing
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Writes all that is gathered, or starts to, unless a write is under way (which goes on with it). */
  #writeGathered(): void {
    if (this.#writing !== undefined || this.#gatheredBytes === 0) return
    if (this.#policy.mayBlock(this.#gatheredBytes)) {
      this.#writeNow(this.#takeGathered())
    } else {
      this.#writing = this.#writeAside().finally(() => {
        this.#writing = undefined
      })
    }
  }

  #writeNow(chunks: readonly Buffer[]): void {
    const lengthBytes = this.#writingBytes
    const started = performance.now()
    try {
      for (let rest = chunks; rest.length > 0; ) {
        rest = this.#advance(rest, writevSync(this.#fd, rest, this.#position()))
      }
    } catch (error) {
      this.#fail(error)
      throw this.#failure
    }
    this.#policy.note(lengthBytes, performance.now() - started)
    this.#onWritten?.(this.#writtenBytes)
  }

  /** Writes on a thread until little is left to gather. Never rejects; the failure is kept. */
  async #writeAside(): Promise<void> {
    try {
      do {
        for (let rest: readonly Buffer[] = this.#takeGathered(); rest.length > 0; ) {
          const chunks = rest
          // Patient: a write that may still happen must keep its descriptor.
          const write = (): Promise<number> => writeSome(this.#fd, chunks, this.#position())
          const wroteBytes = await this.#gate.run(write, { patient: true })
          rest = this.#advance(rest, wroteBytes)
        }
        this.#onWritten?.(this.#writtenBytes)
      } while (this.#gatheredBytes >= GATHER_BYTES || this.#chunks.length >= GATHER_CHUNKS_MAX)
    } catch (error) {
      this.#fail(error)
    }
  }

  #takeGathered(): readonly Buffer[] {
    const chunks = this.#chunks
    this.#writingBytes = this.#gatheredBytes
    this.#chunks = []
    this.#gatheredBytes = 0
    return chunks
  }

  /** What is left of the chunks when the system took `wroteBytes` of them. */
  #advance(chunks: readonly Buffer[], wroteBytes: number): readonly Buffer[] {
    assert(wroteBytes > 0, 'a write that wrote nothing reports an error')
    this.#writtenBytes += wroteBytes
    heldBytes -= wroteBytes
    this.#writingBytes -= wroteBytes
    if (this.#writingBytes === 0) return []
    let skip = wroteBytes
    let index = 0
    for (const chunk of chunks) {
      if (skip < chunk.length) break
      skip -= chunk.length
      index += 1
    }
    const [first, ...rest] = chunks.slice(index)
    return first === undefined ? [] : [first.subarray(skip), ...rest]
  }

  #position(): number {
    return this.#offset + this.#writtenBytes
  }

  #fail(error: unknown): void {
    this.#failure = diskFailure(error, 'writing an object failed', this.#fd)
    heldBytes -= this.#gatheredBytes + this.#writingBytes
    this.#chunks = []
    this.#gatheredBytes = 0
    this.#writingBytes = 0
  }
}
