import type { IncomingMessage } from 'node:http'
import { Failure } from '@forebay/base/failure'
import type { Checksum, ChecksumAlgorithm } from '@forebay/model/checksum'
import type { BodyVerdict, IncomingBody } from '@forebay/peer/bodies'

/** AIStore's checksum of every object: with it a PUT answers and a read can be checked. */
const OWN_ALGORITHM: ChecksumAlgorithm = 'xxh64'

export interface V1BodyOptions {
  /** What the client stated in `Ais-Checksum-*`. */
  readonly stated: Checksum | undefined
  /** What the signature says the SHA-256 is, lower-case hexadecimal. */
  readonly signedSha256: string | undefined
  /** Longest pause of the client, ms. */
  readonly stallTimeoutMs: number
}

/** An object's bytes as they come on the native door: plain, by length or chunked. */
export class V1IncomingBody implements IncomingBody {
  readonly lengthBytes: number | undefined
  readonly digestsNeeded: readonly ChecksumAlgorithm[]
  readonly #raw: IncomingMessage
  readonly #options: V1BodyOptions

  constructor(raw: IncomingMessage, options: V1BodyOptions) {
    this.#raw = raw
    this.#options = options
    const length = raw.headers['content-length']
    const chunked = raw.headers['transfer-encoding'] !== undefined
    this.lengthBytes = chunked ? undefined : Number(length ?? 0)
    const needed = new Set<ChecksumAlgorithm>([OWN_ALGORITHM])
    if (options.stated !== undefined) needed.add(options.stated.algorithm)
    if (options.signedSha256 !== undefined) needed.add('sha256')
    this.digestsNeeded = [...needed]
  }

  pump(write: (chunk: Buffer) => void | Promise<void>, signal: AbortSignal): Promise<void> {
    const raw = this.#raw
    const { stallTimeoutMs } = this.#options
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined
      /** The writes that were not done when they were asked for, in order. */
      let pending: Promise<void> | undefined
      let ended = false
      const settle = (error?: unknown): void => {
        clearTimeout(timer)
        signal.removeEventListener('abort', leave)
        raw.off('data', take).off('end', end).off('error', broken).off('close', broken)
        if (error === undefined) resolve()
        else {
          raw.pause()
          reject(error)
        }
      }
      const end = (): void => {
        ended = true
        if (pending === undefined) settle()
      }
      const leave = (): void => settle(signal.reason)
      const broken = (cause?: unknown): void => {
        if (ended) return
        settle(new Failure('body-incomplete', 'the object body broke off', { cause }))
      }
      const take = (chunk: Buffer): void => {
        timer?.refresh()
        // A paused stream may still hand over what it had begun to, and its end.
        const waiting =
          pending === undefined ? writeOrFail(write, chunk) : pending.then(() => write(chunk))
        if (waiting === undefined) return
        pending = waiting
        raw.pause()
        waiting.then(() => {
          if (pending !== waiting) return
          pending = undefined
          if (ended) settle()
          else raw.resume()
        }, settle)
      }
      timer = setTimeout(() => {
        // While the disk is slower than the client, it is not the client that stalls.
        if (pending !== undefined) timer?.refresh()
        else settle(new Failure('request-timeout', `no byte came for ${stallTimeoutMs} ms`))
      }, stallTimeoutMs)
      if (signal.aborted) leave()
      else if (raw.readableEnded) end()
      else {
        signal.addEventListener('abort', leave, { once: true })
        raw.on('data', take).once('end', end).once('error', broken).once('close', broken)
        raw.resume()
      }
    })
  }

  judge(digests: ReadonlyMap<ChecksumAlgorithm, string>): BodyVerdict {
    const { stated, signedSha256 } = this.#options
    if (signedSha256 !== undefined && digests.get('sha256') !== signedSha256) {
      throw new Failure('payload-hash-mismatch', 'the body is not the one that was signed')
    }
    if (stated !== undefined && digests.get(stated.algorithm) !== stated.hex) {
      throw new Failure(
        'digest-mismatch',
        `BAD DATA CHECKSUM: ${stated.algorithm}(${stated.hex} != ${digests.get(stated.algorithm)})`,
      )
    }
    const own = digests.get(OWN_ALGORITHM)
    const checksums: Checksum[] = stated === undefined ? [] : [stated]
    if (own !== undefined && stated?.algorithm !== OWN_ALGORITHM) {
      checksums.push({ algorithm: OWN_ALGORITHM, kind: 'whole', hex: own })
    }
    return { checksums }
  }
}

/** The consumer's promise; a consumer that throws at once counts like one that rejects. */
function writeOrFail(
  write: (chunk: Buffer) => void | Promise<void>,
  chunk: Buffer,
): Promise<void> | undefined {
  try {
    return write(chunk) ?? undefined
  } catch (error) {
    return Promise.reject(error)
  }
}
