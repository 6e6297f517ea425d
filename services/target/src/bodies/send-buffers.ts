import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { SEND_BUFFERS_IDLE_MAX, SEND_BUFFERS_MAX } from './send-limits.ts'

/** A bounded stock of buffers of `PUMP_SLICE_BYTES` that bodies on their way out share. */
export class SendBuffers {
  readonly #max: number
  readonly #idle: Buffer[] = []
  #lent = 0

  constructor(max: number = SEND_BUFFERS_MAX) {
    this.#max = max
  }

  get lentCount(): number {
    return this.#lent
  }

  /** A buffer of unknown content, or undefined when all are lent. */
  take(): Buffer | undefined {
    if (this.#lent >= this.#max) return undefined
    this.#lent += 1
    return this.#idle.pop() ?? Buffer.allocUnsafeSlow(PUMP_SLICE_BYTES)
  }

  /** Returns a buffer that neither the disk nor the socket uses any more. */
  give(buffer: Buffer): void {
    this.#lent -= 1
    if (this.#idle.length < SEND_BUFFERS_IDLE_MAX) this.#idle.push(buffer)
  }

  /** Writes a buffer off that something may still use; the collector gets it. */
  forfeit(): void {
    this.#lent -= 1
  }
}

/** The stock of this process. */
export const sendBuffers = new SendBuffers()
