/**
 * The body of a file of a web server on its way into a bucket. Where its connection breaks, the rest is
 * fetched from where it broke off, if the server says that it is of the same version; of another one
 * nothing is stored, and the file is begun anew.
 */

import type { ReadResult } from '@forebay/backend-port/backend'
import type { Web, WebRead } from '@forebay/backend-port/web'
import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { choosePin } from '@forebay/model/version'
import type { BodyVerdict, IncomingBody } from '@forebay/peer/bodies'
import type { ItemFlow } from '../kind-work.ts'
import type { TransferWatch } from './download-watch.ts'

/** Connections that one body may take, the first included; those that a rate held back are not counted. */
export const CONNECTIONS_MAX = 4

/** Before a connection that goes on with a body, ms. */
const PAUSE_MS = 100

export type FoundFile = Extract<ReadResult, { kind: 'found' }>

export interface DownloadBodyOptions {
  readonly web: Web
  readonly clock: Clock
  readonly watch: TransferWatch
  /** The file in messages. */
  readonly what: string
  /** What brought `found`; its signal ends what is fetched later too. */
  readonly read: WebRead
  readonly found: FoundFile
  /** More is refused, whatever was announced. */
  readonly bytesMax: number
  /** Lower-case hexadecimal, where the list told it. */
  readonly sha256?: string | undefined
  /** Where bytes are told while they come. */
  readonly flow?: ItemFlow | undefined
}

type Write = (chunk: Buffer) => void | Promise<void>

export function downloadBody(options: DownloadBodyOptions): IncomingBody {
  const { found, sha256, what } = options
  return {
    lengthBytes: found.sizeBytes,
    digestsNeeded: sha256 === undefined ? [] : ['sha256'],
    pump: (write, signal) => pump(options, write, signal),
    judge(digests): BodyVerdict {
      if (sha256 === undefined) return { checksums: [] }
      if (digests.get('sha256') !== sha256) {
        throw new Failure('backend-corrupt', `${what} has not the SHA-256 that its list told`)
      }
      return { checksums: [{ algorithm: 'sha256', kind: 'whole', hex: sha256 }] }
    },
  }
}

async function pump(
  options: DownloadBodyOptions,
  write: Write,
  signal: AbortSignal,
): Promise<void> {
  const intake = new Intake(options, write)
  let { body } = options.found
  for (let connections = 1; ; connections++) {
    const discard = (): void => body.discard()
    signal.addEventListener('abort', discard, { once: true })
    try {
      signal.throwIfAborted()
      options.watch.wait()
      await body.pump((chunk) => intake.take(chunk))
      return
    } catch (error) {
      body.discard()
      signal.throwIfAborted()
      options.read.signal.throwIfAborted()
      if (intake.hasFailed || connections >= CONNECTIONS_MAX || !isBroken(error)) throw error
      const rest = await readRest(options, intake.bytes)
      if (rest === undefined) throw error
      // A server that waited for us may have thought us gone.
      if (intake.takeHeld()) connections -= 1
      body = rest.body
    } finally {
      signal.removeEventListener('abort', discard)
    }
  }
}

function isBroken(error: unknown): boolean {
  return isFailure(error, 'backend-unreachable', 'backend-corrupt', 'backend-timeout')
}

/**
 * What is left of the file; `undefined` where nothing tells whether it would be of the same version, or
 * the server gives no parts.
 *
 * @throws Failure `backend-changed`
 */
async function readRest(
  options: DownloadBodyOptions,
  offset: number,
): Promise<FoundFile | undefined> {
  const { web, clock, read, found, what } = options
  const { sizeBytes } = found
  const pin = choosePin(found.attributes.validators ?? {})
  if (sizeBytes === undefined || pin.kind === 'none' || offset >= sizeBytes) return undefined
  await clock.sleep(PAUSE_MS, read.signal)
  const rest = await web.read({
    ...read,
    unless: undefined,
    range: { offset, lengthBytes: sizeBytes - offset },
    pin,
    pinnedSizeBytes: sizeBytes,
  })
  if (rest.kind !== 'found') {
    throw new Failure('backend-changed', `${what} changed while it was fetched`)
  }
  if (rest.range.offset === offset && rest.range.lengthBytes === sizeBytes - offset) return rest
  rest.body.discard()
  return undefined
}

/** Counts what comes, and tells the watch who waits for whom. */
class Intake {
  readonly #options: DownloadBodyOptions
  readonly #write: Write
  #bytes = 0
  #failed = false
  #held = false

  constructor(options: DownloadBodyOptions, write: Write) {
    this.#options = options
    this.#write = write
  }

  get bytes(): number {
    return this.#bytes
  }

  /** True when the bytes could not be taken: another connection would bring nothing. */
  get hasFailed(): boolean {
    return this.#failed
  }

  /** Whether the rate of the job held bytes back since it was asked last. */
  takeHeld(): boolean {
    const held = this.#held
    this.#held = false
    return held
  }

  take(chunk: Buffer): void | Promise<void> {
    const { watch, bytesMax, what, flow } = this.#options
    this.#bytes += chunk.length
    watch.received(chunk.length)
    try {
      if (this.#bytes > bytesMax) throw tooLong(what, bytesMax)
      const written = this.#write(chunk)
      const next = flow?.moved(chunk.length)
      if (next !== undefined) this.#held = true
      if (written === undefined && next === undefined) return undefined
      watch.pause()
      return this.#after([written, next])
    } catch (error) {
      this.#failed = true
      throw error
    }
  }

  async #after(waits: readonly (void | Promise<void>)[]): Promise<void> {
    try {
      await Promise.all(waits)
    } catch (error) {
      this.#failed = true
      throw error
    }
    this.#options.watch.wait()
  }
}

export function tooLong(what: string, bytesMax: number): Failure {
  return new Failure('entity-too-large', `${what} is longer than ${bytesMax} bytes`)
}
