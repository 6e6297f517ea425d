import type { HashAlgorithm } from '@forebay/base/hash/algorithms'
import { createDigester, type Digester } from '@forebay/base/hash/digester'
import type { BodyVerdict, IncomingBody } from '@forebay/peer/bodies'
import type { DiskGate } from '../os/disk-gate.ts'
import { type BodySink, createBodySink } from './body-sink.ts'
import { FileSink } from './file-sink.ts'
import { receiveTurns } from './receive-turns.ts'
import type { WritePolicy } from './write-policy.ts'

/** Space reserved at a time while the length of a body is not known, bytes. */
export const UNKNOWN_LENGTH_STEP_BYTES = 16 * 1024 ** 2

/** Memory of one large body between its source and the disk, bytes. */
export const RECEIVE_RING_BYTES = 1024 ** 2

export interface ReceiveOptions {
  readonly body: IncomingBody
  /** An empty file, open for writing. Stays the caller's. */
  readonly fd: number
  /** Makes room up to `bytes` in all; called before bytes beyond what it was called for are written. */
  reserve(bytes: number): Promise<void>
  /** Digests wanted beside those that the body needs for its checks. */
  readonly digests: Iterable<HashAlgorithm>
  /** Told how many bytes are in the file, after each write. */
  readonly onProgress?: ((writtenBytes: number) => void) | undefined
  /** Somebody reads the file as it grows or right after: then its pages are wanted in memory. */
  readonly readSoon?: boolean | undefined
  readonly signal: AbortSignal
  /** Default `UNKNOWN_LENGTH_STEP_BYTES`. */
  readonly unknownLengthStep?: number | undefined
  readonly policy?: WritePolicy | undefined
  readonly gate?: DiskGate | undefined
}

/** A body that is in the file, whole and checked. */
export interface ReceivedBody {
  readonly sizeBytes: number
  /** Lower-case hexadecimal; of what was asked for and of what the body needed. */
  readonly digests: ReadonlyMap<HashAlgorithm, string>
  readonly verdict: BodyVerdict
}

/**
 * Writes a body into a file while its digests are computed, and has it judged. When the promise
 * settles, nothing uses `fd` any more; when it rejects, the file holds some beginning of the body.
 *
 * @throws Failure `out-of-space` | `slow-down` | `disk-error`; what the body's `pump` and `judge`
 * and `reserve` throw; the signal's reason
 */
export async function receiveToFile(options: ReceiveOptions): Promise<ReceivedBody> {
  const { body, signal } = options
  signal.throwIfAborted()
  const sink = openSink(options)
  let digester: Digester | undefined
  try {
    digester = createDigester(new Set([...options.digests, ...body.digestsNeeded]), {
      expectedBytes: body.lengthBytes,
    })
    const intake = new Intake(options, sink, digester)
    if (body.lengthBytes !== undefined) await intake.reserveUpTo(body.lengthBytes)
    await body.pump((chunk) => intake.take(chunk), signal)
    await sink.flush()
    signal.throwIfAborted()
    const digests = await digester.digest()
    return { sizeBytes: intake.sizeBytes, digests, verdict: body.judge(digests) }
  } catch (error) {
    digester?.abandon()
    await sink.settle()
    throw error
  } finally {
    sink.close()
  }
}

function openSink(options: ReceiveOptions): BodySink {
  const { fd, policy, gate, body } = options
  const sink = { fd, policy, gate, onWritten: options.onProgress }
  if (options.readSoon === true || options.onProgress !== undefined) return new FileSink(sink)
  return createBodySink({
    ...sink,
    expectedBytes: body.lengthBytes,
    ringBytes: RECEIVE_RING_BYTES,
  })
}

/** One chunk after the other: room for it, its digests, its place in the file. */
class Intake {
  readonly #options: ReceiveOptions
  readonly #sink: BodySink
  readonly #digester: Digester
  #sizeBytes = 0
  #reservedBytes = 0

  constructor(options: ReceiveOptions, sink: BodySink, digester: Digester) {
    this.#options = options
    this.#sink = sink
    this.#digester = digester
  }

  get sizeBytes(): number {
    return this.#sizeBytes
  }

  async reserveUpTo(bytes: number): Promise<void> {
    await this.#options.reserve(bytes)
    this.#reservedBytes = bytes
  }

  /** Returns a promise only where the source must pause: most chunks pass without one. */
  take(chunk: Buffer): void | Promise<void> {
    this.#sizeBytes += chunk.length
    const stored =
      this.#sizeBytes > this.#reservedBytes ? this.#takeAfterReserve(chunk) : this.#store(chunk)
    return both(stored, receiveTurns.spend(chunk.length))
  }

  async #takeAfterReserve(chunk: Buffer): Promise<void> {
    const step = this.#options.unknownLengthStep ?? UNKNOWN_LENGTH_STEP_BYTES
    await this.reserveUpTo(Math.max(this.#reservedBytes + step, this.#sizeBytes))
    await this.#store(chunk)
  }

  #store(chunk: Buffer): void | Promise<void> {
    const hashed = this.#digester.update(chunk)
    // Should the write throw now, nobody looks at this promise any more.
    hashed?.catch(() => undefined)
    const written = this.#sink.write(chunk)
    return both(hashed, written)
  }
}

/** Waits for both where there is something to wait for. */
function both(first: void | Promise<void>, second: void | Promise<void>): void | Promise<void> {
  if (first === undefined) return second
  return second === undefined ? first : Promise.all([first, second]).then(() => undefined)
}
