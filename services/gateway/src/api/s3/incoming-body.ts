import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { BodyVerdict, IncomingBody } from '@forebay/peer/bodies'
import {
  algorithmWord,
  checksumHeaderName,
  parseChecksum,
  type StatedDigests,
} from '@forebay/s3/checksum-headers'
import type { ChunkedDecoder } from '@forebay/s3/chunked/decoder'

export interface S3BodyOptions {
  /** Length of the body without framing, as the client declared it. */
  readonly lengthBytes: number
  readonly stated: StatedDigests
  /** SHA-256 of the body as the signature has it. */
  readonly payloadSha256Hex: string | undefined
  /** Takes the aws-chunked framing off; absent for a plain body. */
  readonly decoder: ChunkedDecoder | undefined
  /** Longest pause of the client, ms (setting `http.readStallTimeout`). */
  readonly stallTimeoutMs: number
  /** Called when the first byte is wanted: tells a waiting client to send (100 Continue). */
  readonly onStart: () => void
}

/** A body of the S3 API on its way in: framing off, lengths checked, digests judged at the end. */
export class S3IncomingBody implements IncomingBody {
  readonly lengthBytes: number
  readonly digestsNeeded: readonly ChecksumAlgorithm[]
  readonly #message: IncomingMessage
  readonly #options: S3BodyOptions
  #receivedBytes = 0

  constructor(message: IncomingMessage, options: S3BodyOptions) {
    this.#message = message
    this.#options = options
    this.lengthBytes = options.lengthBytes
    const { stated, payloadSha256Hex } = options
    const needed = new Set<ChecksumAlgorithm>()
    if (stated.contentMd5Hex !== undefined) needed.add('md5')
    if (stated.checksum !== undefined) needed.add(stated.checksum.algorithm)
    if (stated.trailer !== undefined) needed.add(stated.trailer)
    if (payloadSha256Hex !== undefined) needed.add('sha256')
    this.digestsNeeded = [...needed]
  }

  /** Bytes of the body handed out so far, without framing. */
  get receivedBytes(): number {
    return this.#receivedBytes
  }

  async pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    this.#options.onStart()
    await readMessage(this.#message, {
      take: (wire) => this.#take(wire, write),
      stallTimeoutMs: this.#options.stallTimeoutMs,
      signal,
    })
    this.#options.decoder?.end()
    if (this.#receivedBytes !== this.lengthBytes) {
      throw new Failure(
        'body-incomplete',
        `the body has ${this.#receivedBytes} bytes instead of the ${this.lengthBytes} declared`,
      )
    }
  }

  judge(digests: ReadonlyMap<ChecksumAlgorithm, string>): BodyVerdict {
    const { stated, payloadSha256Hex } = this.#options
    const sha256Hex = digests.get('sha256')
    if (payloadSha256Hex !== undefined && sha256Hex !== payloadSha256Hex) {
      throw payloadMismatch(payloadSha256Hex, sha256Hex ?? '')
    }
    if (stated.contentMd5Hex !== undefined && digests.get('md5') !== stated.contentMd5Hex) {
      throw new Failure(
        'digest-mismatch',
        'the Content-MD5 you specified did not match what we received',
        {
          facts: {
            calculatedDigest: Buffer.from(digests.get('md5') ?? '', 'hex').toString('base64'),
            expectedDigest: stated.contentMd5Hex,
          },
        },
      )
    }
    const checksum = stated.checksum ?? this.#trailer()
    if (checksum === undefined) return { checksums: [] }
    if (checksum.kind !== 'whole' || digests.get(checksum.algorithm) !== checksum.hex) {
      throw new Failure(
        'digest-mismatch',
        `the ${algorithmWord(checksum.algorithm)} you specified did not match the calculated checksum`,
      )
    }
    return { checksums: [checksum] }
  }

  #trailer(): Checksum | undefined {
    const { stated, decoder } = this.#options
    if (stated.trailer === undefined) return undefined
    const value = decoder?.trailers.get(checksumHeaderName(stated.trailer))
    if (value === undefined) {
      throw new Failure('trailer-malformed', 'the announced trailer did not come behind the body')
    }
    return parseChecksum(stated.trailer, value, 'trailing header')
  }

  /** One chunk of the wire; several of the body when its framing is dense. */
  #take(wire: Buffer, write: (chunk: Buffer) => void | Promise<void>): void | Promise<void> {
    const { decoder } = this.#options
    if (decoder === undefined) {
      this.#receivedBytes += wire.length
      return write(wire)
    }
    const chunks: Buffer[] = []
    decoder.write(wire, (data) => {
      this.#receivedBytes += data.length
      chunks.push(data)
    })
    return writeAll(chunks, write)
  }
}

/** A body that is not the one that was signed. */
export function payloadMismatch(statedHex: string, computedHex: string): Failure {
  return new Failure(
    'payload-hash-mismatch',
    "the provided 'x-amz-content-sha256' header does not match what was computed",
    { facts: { clientComputedContentSha256: statedHex, s3ComputedContentSha256: computedHex } },
  )
}

/** Writes in order; stays synchronous as long as the consumer does. */
function writeAll(
  chunks: readonly Buffer[],
  write: (chunk: Buffer) => void | Promise<void>,
): void | Promise<void> {
  for (const [at, chunk] of chunks.entries()) {
    const waiting = write(chunk)
    if (waiting !== undefined) {
      const rest = chunks.slice(at + 1)
      return rest.length === 0 ? waiting : waiting.then(() => writeAll(rest, write))
    }
  }
}

interface Reading {
  readonly take: (wire: Buffer) => void | Promise<void>
  readonly stallTimeoutMs: number
  readonly signal: AbortSignal
}

/** Reads a message to its end; the connection is paused while `take` is busy. */
export function readMessage(message: IncomingMessage, reading: Reading): Promise<void> {
  const { take, stallTimeoutMs, signal } = reading
  if (message.readableEnded) return Promise.resolve()
  return new Promise((resolve, reject) => {
    let busy = false
    let ended = false
    const settle = (error?: unknown): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
      message.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      if (error === undefined) {
        resolve()
        return
      }
      message.pause()
      // Later errors of a broken connection are no news.
      message.on('error', ignore)
      reject(error)
    }
    const onData = (wire: Buffer): void => {
      timer.refresh()
      let waiting: void | Promise<void>
      try {
        waiting = take(wire)
      } catch (error) {
        settle(error)
        return
      }
      if (waiting === undefined) return
      busy = true
      message.pause()
      waiting.then(() => {
        busy = false
        timer.refresh()
        if (ended) settle()
        else message.resume()
      }, settle)
    }
    const onEnd = (): void => {
      // A paused message can end all the same: the last chunk is not written yet.
      ended = true
      if (!busy) settle()
    }
    const onError = (cause: unknown): void => {
      if (!ended) settle(brokenOff(cause))
    }
    const onClose = (): void => {
      if (!ended) settle(brokenOff(undefined))
    }
    const onAbort = (): void => settle(signal.reason)
    const timer = setTimeout(() => {
      // While our disk is slower than the client, it is not the client that stalls.
      if (busy) timer.refresh()
      else
        settle(new Failure('request-timeout', `no byte of the body came for ${stallTimeoutMs} ms`))
    }, stallTimeoutMs)
    signal.addEventListener('abort', onAbort, { once: true })
    message.on('data', onData).once('end', onEnd).once('error', onError).once('close', onClose)
    message.resume()
  })
}

function brokenOff(cause: unknown): Failure {
  return new Failure('body-incomplete', 'the connection ended before the body was complete', {
    cause,
  })
}

function ignore(): undefined {
  return undefined
}
