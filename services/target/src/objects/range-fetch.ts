import type { BackendBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { Digester } from '@forebay/base/hash/digester'
import { crc32c } from '@node-rs/crc32'
import { type BodySink, createBodySink } from '../bodies/body-sink.ts'
import type { BlockMap } from './block-map.ts'
import type { BlockSums, RunningSum } from './block-sums.ts'

/**
 * The latest bytes of one connection that stay in memory: a reader who keeps up gets them from there,
 * though they are on their way to the disk or not in the page cache.
 */
const RING_BYTES = 4 * 1024 ** 2

/** What a fetch needs of the fill it works for. */
export interface FetchHost {
  readonly fd: number
  readonly map: BlockMap
  /** Takes a sum of each block, where the whole is verified by them. */
  readonly sums: BlockSums | undefined
  /** True while a reader waits for a byte of `[from, to)`: then they are written at once. */
  isAwaited(from: number, to: number): boolean
  /** Bytes came in. */
  onArrived(lengthBytes: number): void
  /** More bytes can be copied from the fetch. */
  onTaken(fetch: RangeFetch): void
  /** The last byte of the whole object came, all by one connection. */
  onRowEnd(): void
  /** Bytes up to the fetch's `position` are in the file. */
  onWritten(fetch: RangeFetch): void
  onBlock(index: number, crc: number): void
  /** The connection of the whole object ends before its end: its digests are worth nothing. */
  onStreamCut(): void
}

/**
 * One upstream connection on its way into the file: writes chunks where they belong, and reports each
 * block that is in the file with its crc32c.
 *
 * Bytes: `[start, end)` of the object; `start` is the start of a block. `end` may shrink while it
 * runs, when another fetch takes over the rest.
 */
export class RangeFetch {
  readonly start: number
  /** Offset up to which the bytes are in the file. */
  position: number
  readonly #host: FetchHost
  readonly #body: BackendBody
  #end: number
  #digester: Digester | undefined
  readonly #sink: BodySink
  /** Blocks whose bytes were taken and are not all written yet, in order. */
  readonly #taken: { readonly index: number; readonly end: number; readonly crc: number }[] = []
  #takenTo: number
  #crc = 0
  #sum: RunningSum | undefined
  #cut = false

  constructor(
    host: FetchHost,
    body: BackendBody,
    range: {
      readonly start: number
      readonly end: number
      readonly digester?: Digester | undefined
    },
  ) {
    this.#host = host
    this.#body = body
    this.#digester = range.digester
    this.start = range.start
    this.#end = range.end
    this.position = range.start
    this.#takenTo = range.start
    this.#sum = host.sums?.start()
    this.#sink = createBodySink({
      fd: host.fd,
      expectedBytes: range.end - range.start,
      ringBytes: RING_BYTES,
      offset: range.start,
      onWritten: (writtenBytes) => this.#account(writtenBytes),
    })
  }

  get end(): number {
    return this.#end
  }

  /** Moves the end closer; what came beyond it already stays. */
  shorten(end: number): void {
    this.#end = end
    if (this.#digester === undefined) return
    // At once: its last bytes may be those that make the object whole.
    this.#digester = undefined
    this.#host.onStreamCut()
  }

  /** Offset up to which the bytes came in. */
  get takenTo(): number {
    return this.#takenTo
  }

  /** True when `copyHeld` has a byte at `offset`. */
  isHeld(offset: number): boolean {
    return this.#sink.isHeld(offset - this.start)
  }

  /** Copies bytes from `offset` on that are still in memory; the number copied, 0 when there are none. */
  copyHeld(offset: number, into: Buffer): number {
    return this.#sink.copyHeld(offset - this.start, into)
  }

  /**
   * Resolves when all bytes up to `end` are in the file; rejects with the body's failure, or the
   * disk's. Afterwards nothing writes to the file any more.
   */
  async run(): Promise<void> {
    try {
      await this.#body.pump((chunk) => this.#take(chunk))
      await this.#sink.flush()
    } catch (error) {
      await this.#sink.settle()
      if (!this.#cut) throw error
    } finally {
      this.#sink.close()
    }
    // A body of unknown length may end anywhere; nobody would wait for what is missing but its readers.
    if (!this.#cut && this.position < this.end) {
      throw new Failure(
        'backend-corrupt',
        `the backend sent ${this.end - this.position} bytes less`,
      )
    }
  }

  /** Ends the transfer; what is in the file stays. */
  abort(): void {
    this.#body.discard()
  }

  #take(chunk: Buffer): void | Promise<void> {
    if (this.#cut) return undefined
    this.#host.onArrived(chunk.length)
    const room = Math.max(0, this.end - this.#takenTo)
    const wanted = chunk.length > room ? chunk.subarray(0, room) : chunk
    const from = this.#takenTo
    this.#check(wanted)
    const digesting = this.#digester?.update(wanted)
    // Should the write throw now, nobody looks at this promise any more.
    digesting?.catch(() => undefined)
    if (this.#digester !== undefined && this.#takenTo === this.#end) this.#host.onRowEnd()
    const writing = this.#sink.write(wanted)
    if (chunk.length > room) return this.#finishCut(digesting, writing)
    if (this.#sink.holds) return this.#announce(digesting, writing)
    // Written at once, so that who waits for the first bytes does not wait for a gathered slice.
    const flushing = this.#host.isAwaited(this.position, from + wanted.length)
      ? this.#sink.flush()
      : undefined
    if (digesting === undefined && flushing === undefined) return writing
    return Promise.all([digesting, writing, flushing]).then(() => undefined)
  }

  /** Readers get what is in memory at once, and the rest of a chunk when there was room for it. */
  #announce(digesting: void | Promise<void>, writing: void | Promise<void>): void | Promise<void> {
    this.#host.onTaken(this)
    if (writing === undefined) return digesting
    return Promise.all([digesting, writing]).then(() => this.#host.onTaken(this))
  }

  async #finishCut(digesting: void | Promise<void>, writing: void | Promise<void>): Promise<void> {
    await Promise.all([digesting, writing])
    await this.#sink.flush()
    this.#cut = true
    this.#body.discard()
  }

  /** The crc32c of each block that the bytes complete. */
  #check(bytes: Buffer): void {
    const { map } = this.#host
    for (let from = 0; from < bytes.length; ) {
      const index = map.indexOf(this.#takenTo)
      const end = map.endOf(index)
      const take = Math.min(bytes.length - from, end - this.#takenTo)
      const piece = bytes.subarray(from, from + take)
      this.#crc = crc32c(piece, this.#crc)
      this.#sum?.update(piece)
      from += take
      this.#takenTo += take
      if (this.#takenTo < end) continue
      this.#taken.push({ index, end, crc: this.#crc })
      this.#crc = 0
      if (this.#sum !== undefined) this.#host.sums?.set(index, this.#sum.hex())
      this.#sum = this.#host.sums?.start()
    }
  }

  #account(writtenBytes: number): void {
    this.position = this.start + writtenBytes
    for (;;) {
      const first = this.#taken[0]
      if (first === undefined || first.end > this.position) break
      this.#taken.shift()
      this.#host.onBlock(first.index, first.crc)
    }
    this.#host.onWritten(this)
  }
}
