import type { ServerResponse } from 'node:http'
import { Failure } from '@forebay/base/failure'
import { socketDescriptor, undeliveredBytes } from '../os/socket.ts'

/** How patient a connection is with its client. */
export interface StallLimits {
  readonly stallTimeoutMs: number
  /** Bytes the client must take in each `stallTimeoutMs` while we wait for it. */
  readonly stallBytesMin: number
}

/**
 * The client's end of one response body: ordered writes, room, and whether the client is still there.
 * One owner, who calls `dispose` at the end.
 */
export class ClientConnection {
  readonly #response: ServerResponse
  readonly #limits: StallLimits
  readonly #leave = (): void => this.#fail('the client closed the connection')
  #controller: AbortController | undefined
  #failure: Failure | undefined
  #watching = false
  #pending = 0
  #handedBytes = 0
  #finishedBytes = 0
  #wake: (() => void) | undefined

  constructor(response: ServerResponse, limits: StallLimits) {
    this.#response = response
    this.#limits = limits
    const { socket } = response.req
    if (response.destroyed || socket.destroyed) this.#leave()
  }

  /** Bytes given to the system so far; those it has not sent yet included. */
  get handedBytes(): number {
    return this.#handedBytes
  }

  /** Aborted, with a Failure `client-gone`, as soon as the client is gone. */
  get signal(): AbortSignal {
    this.#watch()
    this.#controller ??= new AbortController()
    if (this.#failure !== undefined) this.#controller.abort(this.#failure)
    return this.#controller.signal
  }

  /** @throws Failure `client-gone` */
  throwIfGone(): void {
    // Nobody listens before the first wait for the client.
    if (this.#response.destroyed) this.#leave()
    if (this.#failure !== undefined) throw this.#failure
  }

  /**
   * The descriptor to which bytes may be sent past Node: a plain TCP socket that this response owns,
   * everything written before handed to the system, no framing of the body. Ask again for every slice.
   */
  directDescriptor(): number | undefined {
    const { socket } = this.#response
    if (socket === null || this.#response.chunkedEncoding) return undefined
    if (this.#pending > 0 || socket.writableLength > 0) return undefined
    return socketDescriptor(socket)
  }

  /** Notes bytes that were sent past Node, of which the socket's idle timer knows nothing. */
  noteDirect(sentBytes: number): void {
    this.#handedBytes += sentBytes
    const { socket } = this.#response
    if (socket?.timeout) socket.setTimeout(socket.timeout)
  }

  /** Writes a chunk; `done` is called when neither Node nor the system reads from it any more. */
  write(chunk: Buffer, done?: () => void): void {
    this.#watch()
    this.#pending += 1
    this.#handedBytes += chunk.length
    this.#response.write(chunk, (error) => {
      this.#pending -= 1
      this.#finishedBytes += chunk.length
      done?.()
      if (error) this.#fail('writing to the client failed', error)
      this.#wake?.()
    })
    // Node holds the first write of a tick back to join it with others; there are none.
    this.#response.socket?.uncork()
  }

  /**
   * Writes the last chunk, ends the response, and waits until the system has all of it.
   *
   * @throws Failure `client-gone`, also when the client takes too little in the time it has
   */
  async end(chunk: Buffer): Promise<void> {
    this.#pending += 1
    this.#handedBytes += chunk.length
    this.#response.end(chunk, () => {
      this.#pending -= 1
      this.#finishedBytes += chunk.length
      // What closes from now on is done.
      this.dispose()
      this.#wake?.()
    })
    const { socket } = this.#response
    if (socket !== null && !socket.destroyed && socket.writableLength === 0) return
    this.#watch()
    await this.#wait(0)
    if (this.#pending > 0 && this.#failure !== undefined) throw this.#failure
  }

  /**
   * Resolves when at most `pendingMax` writes are unfinished.
   *
   * @throws Failure `client-gone`, also when the client takes too little in the time it has
   */
  async room(pendingMax: number): Promise<void> {
    await this.#wait(pendingMax)
    this.throwIfGone()
  }

  /** Lets everybody else have their turn. */
  async yieldTurn(): Promise<void> {
    this.#watch()
    await new Promise((resolve) => setImmediate(resolve))
    this.throwIfGone()
  }

  /** Ends the connection before the announced end of the body, so that nobody takes it for whole. */
  destroy(): void {
    this.#response.destroy()
  }

  dispose(): void {
    if (this.#watching) this.#response.off('close', this.#leave)
  }

  /** Until at most `pendingMax` writes are unfinished, or the client is gone. */
  async #wait(pendingMax: number): Promise<void> {
    if (this.#pending <= pendingMax || this.#failure !== undefined) return
    const timer = this.#watchProgress()
    try {
      while (this.#pending > pendingMax && this.#failure === undefined) {
        const woken = Promise.withResolvers<void>()
        this.#wake = woken.resolve
        await woken.promise
      }
    } finally {
      this.#wake = undefined
      clearInterval(timer)
    }
  }

  /** Listeners are costly; a body that leaves in one go needs none. */
  #watch(): void {
    if (this.#watching) return
    this.#watching = true
    // Emitted also for a response that waits behind an earlier one (pipelining).
    this.#response.once('close', this.#leave)
  }

  /** Progress is a write that finished, or bytes of an unfinished one that left this machine. */
  #watchProgress(): NodeJS.Timeout {
    const { stallTimeoutMs, stallBytesMin } = this.#limits
    let before = this.#measure()
    const check = (): void => {
      // Behind an earlier response it is not this client's turn to read.
      if (this.#response.socket === null) return
      const now = this.#measure()
      const finished = now.finishedBytes - before.finishedBytes
      const left = before.undeliveredBytes - now.undeliveredBytes
      before = now
      if (Math.max(finished, left) >= stallBytesMin) return
      this.#fail(`the client took less than ${stallBytesMin} bytes in ${stallTimeoutMs / 1000} s`)
      this.destroy()
    }
    return setInterval(check, stallTimeoutMs).unref()
  }

  #measure(): { readonly finishedBytes: number; readonly undeliveredBytes: number } {
    const { socket } = this.#response
    return {
      finishedBytes: this.#finishedBytes,
      undeliveredBytes: socket === null ? 0 : undeliveredBytes(socket),
    }
  }

  #fail(message: string, cause?: unknown): void {
    if (this.#failure !== undefined) return
    this.#failure = new Failure('client-gone', message, { cause })
    this.#controller?.abort(this.#failure)
    this.#wake?.()
  }
}
