import type { BackendBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { Dispatcher } from 'undici'

type Write = (chunk: Buffer) => void | Promise<void>

const DONE = { kind: 'done' } as const

type End = { readonly kind: 'done' } | { readonly kind: 'failed'; readonly error: unknown }

/**
 * Bytes of a body that wait for their reader in memory; from here on they stay in the socket. A small
 * body, which comes with its head, so ends without its connection being paused and resumed.
 */
export const HELD_BYTES_MAX = 64 * 1024

/**
 * The body of one answer, handed on chunk by chunk without a stream in between.
 *
 * What arrives before `pump`, or while its `write` is busy, is held up to `HELD_BYTES_MAX` and the
 * chunk that passes it; the rest stays in the socket.
 */
export class ResponseBody implements BackendBody {
  /**
   * Absent once the message has ended. It leads to the whole of the request; kept, old bodies made the
   * collector of garbage carry each other's requests along.
   */
  #controller: Dispatcher.DispatchController | undefined
  readonly #signal: AbortSignal
  readonly #queue: Buffer[] = []
  #queuedBytes = 0
  #lengthBytes: number | undefined
  #receivedBytes = 0
  #end: End | undefined
  #write: Write | undefined
  #busy = false
  #settle: ((end: End) => void) | undefined

  /** @param signal ends the body as long as nobody pumps it */
  constructor(controller: Dispatcher.DispatchController, signal: AbortSignal) {
    this.#controller = controller
    this.#signal = signal
  }

  get lengthBytes(): number | undefined {
    return this.#lengthBytes
  }

  /** Bytes that must come; set by whoever reads the head, before `pump`. */
  set lengthBytes(bytes: number | undefined) {
    this.#lengthBytes = bytes
    if (bytes === undefined) return
    if (this.#receivedBytes > bytes) this.fail(this.#wrongLength('more'))
    else if (this.#end?.kind === 'done') this.#end = this.#endOfMessage()
  }

  pump(write: Write): Promise<void> {
    if (this.#write !== undefined) throw new Error('a body can be consumed once only')
    this.#write = write
    // All of it may be here, and its connection with another request by now.
    if (this.#signal.aborted) this.fail(this.#signal.reason)
    return new Promise((resolve, reject) => {
      this.#settle = (end) => {
        if (end.kind === 'done') resolve()
        else reject(end.error)
      }
      this.#drain()
    })
  }

  discard(): void {
    this.fail(new Failure('backend-unreachable', 'the body was discarded'))
  }

  /** The whole body as text; what is beyond `bytesMax` is cut off, with the connection. */
  async readText(bytesMax: number): Promise<string> {
    const chunks: Buffer[] = []
    let length = 0
    try {
      await this.pump((chunk) => {
        length += chunk.length
        if (length > bytesMax) throw TOO_LONG
        chunks.push(Buffer.from(chunk))
      })
    } catch (error) {
      if (error !== TOO_LONG) throw error
    }
    return Buffer.concat(chunks).toString()
  }

  /** A chunk came. For the connection only. */
  receive(chunk: Buffer): void {
    // Resumed before more is there, undici's parser tells of no bytes. To pause for them would go on for
    // ever: the next resume brings no bytes again, and nothing else gets its turn.
    if (this.#end !== undefined || chunk.length === 0) return
    this.#receivedBytes += chunk.length
    if (this.#lengthBytes !== undefined && this.#receivedBytes > this.#lengthBytes) {
      this.fail(this.#wrongLength('more'))
      return
    }
    if (this.#write === undefined || this.#busy) {
      this.#queue.push(chunk)
      this.#queuedBytes += chunk.length
      if (this.#queuedBytes >= HELD_BYTES_MAX) this.#controller?.pause()
      return
    }
    this.#give(chunk, this.#write)
  }

  /** The last byte came. For the connection only. */
  finish(): void {
    if (this.#end !== undefined) return
    this.#end = this.#endOfMessage()
    this.#controller = undefined
    this.#drain()
  }

  /** The connection broke: what came is handed on first. For the connection only. */
  breakOff(error: unknown): void {
    if (this.#end !== undefined) return
    this.#end = { kind: 'failed', error }
    this.#controller = undefined
    this.#drain()
  }

  /** Ends at once with `error`, and with it the connection. */
  fail(error: unknown): void {
    this.#queue.length = 0
    if (this.#end?.kind === 'failed') return
    this.#end = { kind: 'failed', error }
    this.#controller?.abort(error instanceof Error ? error : new Error(String(error)))
    this.#controller = undefined
    this.#settleWith(this.#end)
  }

  #give(chunk: Buffer, write: Write): void {
    let pending: void | Promise<void>
    try {
      pending = write(chunk)
    } catch (error) {
      this.fail(error)
      return
    }
    if (pending === undefined) return
    this.#busy = true
    pending.then(
      () => {
        this.#busy = false
        this.#drain()
      },
      (error: unknown) => this.fail(error),
    )
  }

  #drain(): void {
    if (this.#write === undefined) return
    while (!this.#busy) {
      const chunk = this.#queue.shift()
      if (chunk === undefined) break
      this.#queuedBytes -= chunk.length
      this.#give(chunk, this.#write)
    }
    if (this.#busy) return
    if (this.#end === undefined) this.#controller?.resume()
    else this.#settleWith(this.#end)
  }

  #endOfMessage(): End {
    const short = this.#lengthBytes !== undefined && this.#receivedBytes < this.#lengthBytes
    return short ? { kind: 'failed', error: this.#wrongLength('only') } : DONE
  }

  #settleWith(end: End): void {
    this.#settle?.(end)
    this.#settle = undefined
  }

  #wrongLength(word: 'more' | 'only'): Failure {
    const message = `${word} ${this.#receivedBytes} bytes came of ${this.#lengthBytes} announced`
    return new Failure('backend-corrupt', message)
  }
}

const TOO_LONG = new Error('the text is longer than its reader wants')
