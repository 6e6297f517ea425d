import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import { ClientConnection, type StallLimits } from '../bodies/client-connection.ts'
import { directSocket, sendSmall } from '../bodies/send-at-once.ts'
import { BODY_ROOM_BYTES } from '../os/send.ts'
import type { SourceBody } from './source-body.ts'

/** A body whose bytes are in memory; they must not change while it is sent. */
export class BytesBody implements SourceBody {
  readonly lengthBytes: number
  readonly #bytes: Buffer
  readonly #direct: boolean
  readonly #limits: StallLimits
  #spent = false

  /** @param options.sendfile `off`: nothing is sent past Node */
  constructor(
    bytes: Buffer,
    { sendfile, limits }: { readonly sendfile: 'auto' | 'off'; readonly limits: StallLimits },
  ) {
    this.lengthBytes = bytes.length
    this.#bytes = bytes
    this.#direct = sendfile !== 'off'
    this.#limits = limits
  }

  /** Larger ones the system may not take at once: they are sent by who waits for their reader. */
  take(): Buffer | undefined {
    if (this.lengthBytes > BODY_ROOM_BYTES) return undefined
    this.close()
    return this.#bytes
  }

  sendAtOnce(response: ServerResponse, writeHead: () => void): boolean {
    assert(!this.#spent, 'a body is taken, sent or closed once')
    if (this.lengthBytes > BODY_ROOM_BYTES || this.lengthBytes === 0) return false
    const socketFd = this.#direct ? directSocket(response) : undefined
    if (socketFd === undefined) return false
    this.close()
    const { lengthBytes } = this
    const fill = (room: Buffer): void => void this.#bytes.copy(room)
    sendSmall(response, { socketFd, lengthBytes, fill }, writeHead)
    return true
  }

  async sendTo(response: ServerResponse): Promise<void> {
    assert(!this.#spent, 'a body is taken, sent or closed once')
    this.close()
    if (this.lengthBytes === 0 || response.req.method === 'HEAD') {
      response.end()
      return
    }
    const connection = new ClientConnection(response, this.#limits)
    try {
      await connection.end(this.#bytes)
    } finally {
      connection.dispose()
    }
  }

  async pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    this.close()
    signal.throwIfAborted()
    if (this.lengthBytes > 0) await write(this.#bytes)
  }

  /** They are here; who needs them in the cache waits for that himself. */
  async arrive(signal: AbortSignal): Promise<void> {
    this.close()
    signal.throwIfAborted()
  }

  close(): void {
    this.#spent = true
  }
}
