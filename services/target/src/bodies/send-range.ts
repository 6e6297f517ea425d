import assert from 'node:assert/strict'
import type { ServerResponse } from 'node:http'
import type { ObjectBody } from '@forebay/peer/bodies'
import { detectSendfile, sendfileWorks } from '../os/detect-sendfile.ts'
import { readResidentFully } from '../os/file-io.ts'
import type { FileLease } from '../store/contract.ts'
import { ClientConnection, type StallLimits } from './client-connection.ts'
import { residency } from './residency.ts'
import { directSocket, sendBeginning, sendSmall } from './send-at-once.ts'
import { type SendBuffers, sendBuffers } from './send-buffers.ts'
import {
  SLICE_BYTES,
  SMALL_BODY_BYTES_MAX,
  SMALL_BODY_DIRECT_BYTES_MAX,
  STALL_BYTES_MIN,
  WRITE_STALL_TIMEOUT_MS,
} from './send-limits.ts'
import { Transfer } from './transfer.ts'

/** What both kinds of body may be told; everything has a sensible default. */
export interface SendOptions {
  /** `auto` (default): sendfile(2) where it was found to work; `off`: never. */
  readonly sendfile?: 'auto' | 'off' | undefined
  /** Where the system cannot say which pages are in memory: take these for resident. Default false. */
  readonly recentlyUsed?: boolean | undefined
  readonly limits?: StallLimits | undefined
  readonly buffers?: SendBuffers | undefined
  /** Told once, at the end of `sendTo`, how many bytes of the body were handed to the system. */
  readonly onSent?: ((sentBytes: number) => void) | undefined
  /**
   * Asked for the rest of the body, from this offset of the file on, when it breaks off otherwise than
   * by the client; undefined ends the connection.
   */
  readonly onBroken?:
    | ((error: unknown, offset: number) => Promise<ObjectBody | undefined>)
    | undefined
}

export interface FileBodyOptions extends SendOptions {
  /** Released exactly once, when the body was sent, taken, given up, or failed. */
  readonly lease: FileLease
  readonly offset: number
  readonly lengthBytes: number
}

/** A file that somebody is still writing. */
export interface FollowedSource {
  readonly fd: number
  /**
   * Resolves with how many bytes from `offset` on may be read from the file, 0 only when `copyHeld`
   * has some that are not there yet; rejects when they will not come, and with the signal's reason
   * when aborted.
   */
  waitFor(offset: number, signal: AbortSignal): Promise<number>
  /** Copies bytes that are in memory; how many: 0 when there are none at `offset`. */
  copyHeld?(offset: number, into: Buffer): number
}

export interface FollowingBodyOptions extends SendOptions {
  readonly source: FollowedSource
  readonly offset: number
  readonly lengthBytes: number
  /** Called exactly once, when the body does not use `source.fd` any more. */
  onClose(): void
}

const DEFAULT_LIMITS: StallLimits = {
  stallTimeoutMs: WRITE_STALL_TIMEOUT_MS,
  stallBytesMin: STALL_BYTES_MIN,
}

/** A range of a file that is whole. The range lies within the file. */
export function createFileBody(options: FileBodyOptions): ObjectBody {
  const { lease, lengthBytes } = options
  const offset = lease.offset + options.offset
  return new FileBody(
    { fd: lease.fd, offset, lengthBytes, release: () => lease.release() },
    options,
  )
}

/** A range of a growing file: sends what is granted at once, waits for more, never goes beyond. */
export function createFollowingBody(options: FollowingBodyOptions): ObjectBody {
  const { source, offset, lengthBytes } = options
  const range = {
    fd: source.fd,
    offset,
    lengthBytes,
    release: () => options.onClose(),
    waitFor: (from: number, signal: AbortSignal) => source.waitFor(from, signal),
    copyHeld: (from: number, into: Buffer) => source.copyHeld?.(from, into) ?? 0,
  }
  return new FileBody(range, options)
}

interface FileRange {
  readonly fd: number
  readonly offset: number
  readonly lengthBytes: number
  readonly waitFor?: (offset: number, signal: AbortSignal) => Promise<number>
  readonly copyHeld?: (offset: number, into: Buffer) => number
  release(): void
}

class FileBody implements ObjectBody {
  readonly lengthBytes: number
  readonly #range: FileRange
  readonly #options: SendOptions
  #spent = false

  constructor(range: FileRange, options: SendOptions) {
    this.lengthBytes = range.lengthBytes
    this.#range = range
    this.#options = options
  }

  /** @throws Failure `object-corrupt` | `disk-error`; the body is closed then. */
  take(): Buffer | undefined {
    assert(!this.#spent, 'a body is taken, sent or closed once')
    const { lengthBytes } = this.#range
    if (lengthBytes > (this.#direct() ? SMALL_BODY_DIRECT_BYTES_MAX : SMALL_BODY_BYTES_MAX))
      return undefined
    if (lengthBytes > 0 && !this.#isThere(lengthBytes)) return undefined
    try {
      const bytes = Buffer.allocUnsafe(lengthBytes)
      readResidentFully(this.#range.fd, bytes, this.#range.offset)
      return bytes
    } finally {
      this.close()
    }
  }

  /** @throws as `take`, and what `writeHead` throws; the body is closed then. */
  sendAtOnce(response: ServerResponse, writeHead: () => void): boolean {
    assert(!this.#spent, 'a body is taken, sent or closed once')
    if (this.lengthBytes > SMALL_BODY_DIRECT_BYTES_MAX || this.lengthBytes === 0) return false
    const socketFd = this.#direct() ? directSocket(response) : undefined
    if (socketFd === undefined || !this.#isThere(this.lengthBytes)) return false
    const { fd, offset } = this.#range
    const { lengthBytes } = this
    const fill = (room: Buffer): void => readResidentFully(fd, room, offset)
    try {
      sendSmall(response, { socketFd, lengthBytes, fill }, writeHead)
    } finally {
      this.close()
    }
    this.#options.onSent?.(this.lengthBytes)
    return true
  }

  async sendTo(response: ServerResponse): Promise<void> {
    assert(!this.#spent, 'a body is taken, sent or closed once')
    if (this.lengthBytes === 0 || response.req.method === 'HEAD') {
      this.close()
      response.end()
      return
    }
    this.#spent = true
    const direct = this.#direct() || (this.#options.sendfile !== 'off' && (await detectSendfile()))
    const begunBytes = direct ? this.#begin(response) : undefined
    if (begunBytes === this.lengthBytes) {
      this.#range.release()
      response.end()
      this.#options.onSent?.(begunBytes)
      return
    }
    await this.#transfer(response, { direct, begunBytes })
  }

  /** Sends what is left after the first `begunBytes`; undefined when the head is still to be sent. */
  async #transfer(
    response: ServerResponse,
    { direct, begunBytes }: { readonly direct: boolean; readonly begunBytes: number | undefined },
  ): Promise<void> {
    const connection = new ClientConnection(response, this.#options.limits ?? DEFAULT_LIMITS)
    const sentBytes = begunBytes ?? 0
    const transfer = new Transfer(
      {
        ...this.#range,
        offset: this.#range.offset + sentBytes,
        lengthBytes: this.lengthBytes - sentBytes,
        direct,
        recentlyUsed: this.#options.recentlyUsed ?? false,
        buffers: this.#options.buffers ?? sendBuffers,
      },
      connection,
    )
    try {
      if (begunBytes === undefined) response.flushHeaders()
      else connection.noteDirect(begunBytes)
      await transfer.run()
      response.end()
    } catch (error) {
      const rest = await this.#options.onBroken?.(error, transfer.position)
      if (rest === undefined) {
        connection.destroy()
        throw error
      }
      connection.dispose()
      await rest.sendTo(response)
    } finally {
      connection.dispose()
      this.#options.onSent?.(connection.handedBytes)
    }
  }

  /** The head and the beginning of the body in one go, where nothing has to be waited for. */
  #begin(response: ServerResponse): number | undefined {
    const socketFd = directSocket(response)
    if (socketFd === undefined || !this.#isThere(Math.min(SLICE_BYTES, this.lengthBytes)))
      return undefined
    return sendBeginning(response, socketFd, this.#range)
  }

  #direct(): boolean {
    return this.#options.sendfile !== 'off' && sendfileWorks()
  }

  /** True when the first bytes of the range can be read without waiting. */
  #isThere(lengthBytes: number): boolean {
    const { fd, offset, waitFor } = this.#range
    if (waitFor !== undefined) return false
    return residency.has(fd, offset, lengthBytes) ?? this.#options.recentlyUsed ?? false
  }

  close(): void {
    if (this.#spent) return
    this.#spent = true
    this.#range.release()
  }
}
