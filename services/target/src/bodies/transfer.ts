import assert from 'node:assert/strict'
import { type DiskGate, diskFailure, diskGateOf } from '../os/disk-gate.ts'
import { endsEarly, readAt, readResident } from '../os/file-io.ts'
import { cachestatResident, sendfile } from '../os/libc.ts'
import type { ClientConnection } from './client-connection.ts'
import { loopTurns } from './loop-turns.ts'
import type { SendBuffers } from './send-buffers.ts'
import { NUDGE_BYTES, SLICE_BYTES, SMALL_BODY_BYTES_MAX, TURN_BYTES } from './send-limits.ts'

/** The bytes to send, and how. */
export interface TransferSource {
  readonly fd: number
  readonly offset: number
  readonly lengthBytes: number
  /** sendfile(2) works here and is wanted. */
  readonly direct: boolean
  /** What to believe of pages where the system does not say whether they are in memory. */
  readonly recentlyUsed: boolean
  /**
   * For a file that grows: resolves with how many bytes from `offset` on may be read from the file,
   * 0 only when `copyHeld` has some. Absent: everything is there.
   */
  readonly waitFor?: ((offset: number, signal: AbortSignal) => Promise<number>) | undefined
  /** For a file that grows: copies bytes that are in memory; how many. */
  readonly copyHeld?: ((offset: number, into: Buffer) => number) | undefined
  readonly buffers: SendBuffers
  /** Called once, when neither a read nor the socket needs the descriptor any more. */
  release(): void
}

/**
 * One range of a file on its way to one client, slice by slice: sendfile(2) for a slice that is in
 * memory where the connection allows it, else pooled buffers, two in flight.
 */
export class Transfer {
  readonly #source: TransferSource
  readonly #connection: ClientConnection
  /** Buffers that the socket still reads from. */
  readonly #lent = new Set<Buffer>()
  #gate: DiskGate | undefined
  #position: number
  #readCount = 0
  #turnBytes = 0
  #over = false

  constructor(source: TransferSource, connection: ClientConnection) {
    this.#source = source
    this.#connection = connection
    this.#position = source.offset
  }

  /**
   * Sends everything. Whatever goes wrong, the descriptor and the buffers are given back.
   *
   * @throws Failure `client-gone`, `object-corrupt` for a file that ends early, `disk-error`,
   * `slow-down`; what `waitFor` throws
   */
  async run(): Promise<void> {
    const { offset, lengthBytes } = this.#source
    const end = offset + lengthBytes
    try {
      this.#connection.throwIfGone()
      while (this.#position < end) {
        if (await this.#sendHeld(end)) continue
        const granted = this.#position + (await this.#granted(end))
        while (this.#position < granted) {
          await this.#sendSlice(Math.min(SLICE_BYTES, granted - this.#position))
        }
      }
      await this.#connection.room(0)
    } finally {
      this.#over = true
      for (const _ of this.#lent) this.#source.buffers.forfeit()
      this.#lent.clear()
      this.#releaseWhenUnused()
    }
  }

  /** The first byte that was not handed to the connection. */
  get position(): number {
    return this.#position
  }

  /** Sends bytes that are in memory, up to one buffer of them; false when there are none. */
  async #sendHeld(end: number): Promise<boolean> {
    const { copyHeld, buffers } = this.#source
    if (copyHeld === undefined) return false
    await this.#connection.room(1)
    const pooled = buffers.take()
    if (pooled === undefined) await this.#connection.room(0)
    const buffer = pooled ?? Buffer.allocUnsafeSlow(NUDGE_BYTES)
    const wanted = Math.min(buffer.length, end - this.#position)
    const copiedBytes = copyHeld(this.#position, buffer.subarray(0, wanted))
    if (copiedBytes === 0) {
      if (pooled !== undefined) buffers.give(pooled)
      return false
    }
    this.#position += copiedBytes
    if (pooled === undefined) this.#connection.write(buffer.subarray(0, copiedBytes))
    else this.#writePooled(pooled, copiedBytes)
    return true
  }

  #granted(end: number): number | Promise<number> {
    const left = end - this.#position
    const { waitFor, copyHeld } = this.#source
    if (waitFor === undefined) return left
    return waitFor(this.#position, this.#connection.signal).then((bytes) => {
      assert(bytes >= 1 || copyHeld !== undefined, 'a follower is granted at least one byte')
      this.#connection.throwIfGone()
      return Math.min(left, bytes)
    })
  }

  /** Sends up to `lengthBytes`, at least one byte. */
  async #sendSlice(lengthBytes: number): Promise<void> {
    const small = lengthBytes <= SMALL_BODY_BYTES_MAX
    if ((this.#source.direct || small) && this.#isResident(lengthBytes)) {
      await this.#connection.room(0)
      if (this.#source.direct && this.#connection.directDescriptor() !== undefined) {
        await this.#sendDirect(lengthBytes)
        return
      }
      if (small) {
        await this.#sendRead(lengthBytes)
        return
      }
    }
    await this.#pump(lengthBytes)
  }

  #isResident(lengthBytes: number): boolean {
    const { fd, recentlyUsed } = this.#source
    return cachestatResident(fd, this.#position, lengthBytes) ?? recentlyUsed
  }

  async #sendDirect(lengthBytes: number): Promise<void> {
    const { fd } = this.#source
    const turn = loopTurns.admit()
    if (turn !== undefined) {
      await turn
      this.#connection.throwIfGone()
    }
    // Asked for only now: the one of before the wait may be another connection's.
    const socketFd = this.#connection.directDescriptor()
    // The next attempt goes the ordinary way.
    if (socketFd === undefined) return
    const sentBytes = sendfile({ socketFd, fileFd: fd }, this.#position, lengthBytes)
    if (sentBytes === 0) throw endsEarly(this.#position)
    if (sentBytes < 0) {
      await this.#nudge(lengthBytes)
      return
    }
    this.#position += sentBytes
    this.#turnBytes += sentBytes
    this.#connection.noteDirect(sentBytes)
    loopTurns.spend(sentBytes)
    if (this.#turnBytes >= TURN_BYTES) {
      this.#turnBytes = 0
      await this.#connection.yieldTurn()
    }
  }

  /**
   * After a sendfile that moved nothing: the socket is full, or broken, or the file cannot be read.
   * An ordinary read and write of a little tells which, and finishes when there is room again.
   */
  async #nudge(lengthBytes: number): Promise<void> {
    await this.#sendRead(Math.min(NUDGE_BYTES, lengthBytes))
  }

  /** Reads on the event loop what is in memory, and writes it the ordinary way. */
  async #sendRead(lengthBytes: number): Promise<void> {
    const chunk = Buffer.allocUnsafeSlow(lengthBytes)
    const readBytes = readResident(this.#source.fd, chunk, this.#position)
    this.#position += readBytes
    this.#connection.write(chunk.subarray(0, readBytes))
    await this.#connection.room(0)
  }

  async #pump(lengthBytes: number): Promise<void> {
    const end = this.#position + lengthBytes
    while (this.#position < end) {
      // One may be written while the next is read: two buffers a body.
      await this.#connection.room(1)
      const pooled = this.#source.buffers.take()
      if (pooled === undefined) await this.#connection.room(0)
      const buffer = pooled ?? Buffer.allocUnsafeSlow(NUDGE_BYTES)
      const wanted = Math.min(buffer.length, end - this.#position)
      const readBytes = await this.#read(buffer.subarray(0, wanted), pooled)
      this.#position += readBytes
      if (pooled === undefined) this.#connection.write(buffer.subarray(0, readBytes))
      else this.#writePooled(pooled, readBytes)
    }
  }

  #writePooled(buffer: Buffer, lengthBytes: number): void {
    this.#lent.add(buffer)
    this.#connection.write(buffer.subarray(0, lengthBytes), () => {
      // After the end it was written off.
      if (this.#lent.delete(buffer)) this.#source.buffers.give(buffer)
    })
  }

  /** Reads on a thread of the pool. A read that nobody awaits any more gives `pooled` back itself. */
  async #read(into: Buffer, pooled: Buffer | undefined): Promise<number> {
    let started = false
    let handedOver = false
    const giveBack = (): void => {
      if (pooled !== undefined && !handedOver) this.#source.buffers.give(pooled)
    }
    const operation = async (): Promise<number> => {
      started = true
      this.#readCount += 1
      try {
        const readBytes = await readAt(this.#source.fd, into, this.#position)
        handedOver = !this.#over && readBytes > 0
        return readBytes
      } finally {
        this.#readCount -= 1
        giveBack()
        this.#releaseWhenUnused()
      }
    }
    try {
      this.#gate ??= diskGateOf(this.#source.fd)
      const readBytes = await this.#gate.run(operation, { signal: this.#connection.signal })
      if (readBytes === 0) throw endsEarly(this.#position)
      return readBytes
    } catch (error) {
      if (!started) giveBack()
      throw diskFailure(error, 'reading an object failed')
    }
  }

  #releaseWhenUnused(): void {
    if (this.#over && this.#readCount === 0) this.#source.release()
  }
}
