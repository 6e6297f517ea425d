import { setImmediate } from 'node:timers/promises'
import type { BackendBody } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { FaultAction } from './faults.ts'
import type { StoredVersion } from './memory-bucket.ts'
import type { MemoryStore } from './memory-store.ts'

export interface AnswerBodyOptions {
  readonly store: MemoryStore
  readonly version: StoredVersion
  readonly range: { readonly offset: number; readonly lengthBytes: number }
  readonly faults: readonly FaultAction[]
  readonly signal: AbortSignal
}

/** The body of an answer, sent in chunks of the store's size with a turn of the event loop between. */
export class AnswerBody implements BackendBody {
  readonly lengthBytes: number
  readonly #options: AnswerBodyOptions
  #discarded = false

  constructor(options: AnswerBodyOptions) {
    this.#options = options
    this.lengthBytes = options.range.lengthBytes
  }

  async pump(write: (chunk: Buffer) => void | Promise<void>): Promise<void> {
    const { store, faults, signal } = this.#options
    const cut = faults.find((fault) => fault.kind === 'cut-body')
    const throttle = faults.find((fault) => fault.kind === 'throttle')
    let sent = 0
    while (sent < this.lengthBytes) {
      const end = Math.min(this.lengthBytes, this.#nextStop(sent))
      if (cut !== undefined && sent >= cut.afterBytes) throw brokenOff(sent)
      if (throttle !== undefined) {
        await store.clock.sleep(((end - sent) / throttle.bytesPerSecond) * 1000, signal)
      }
      signal.throwIfAborted()
      if (this.#discarded) throw new Failure('backend-unreachable', 'the body was discarded')
      const chunk = this.#slice(sent, end - sent)
      store.bytesRead += chunk.length
      await write(chunk)
      sent = end
      await this.#act(sent)
      await setImmediate()
    }
    if (cut !== undefined && sent >= cut.afterBytes) throw brokenOff(sent)
    signal.throwIfAborted()
  }

  discard(): void {
    this.#discarded = true
  }

  /** End of the next chunk: a full one, unless something is to happen before. */
  #nextStop(sent: number): number {
    let stop = sent + this.#options.store.chunkBytes
    for (const fault of this.#options.faults) {
      const at = stopOf(fault)
      if (at !== undefined && at > sent) stop = Math.min(stop, at)
    }
    return stop
  }

  async #act(sent: number): Promise<void> {
    for (const fault of this.#options.faults) {
      if (fault.kind === 'at' && fault.point === sent) await fault.act()
    }
  }

  #slice(sent: number, lengthBytes: number): Buffer {
    const { version, range, faults } = this.#options
    const offset = range.offset + sent
    const chunk = Buffer.from(version.source.slice(offset, lengthBytes))
    for (const fault of faults) {
      if (fault.kind !== 'corrupt-answer') continue
      const at = fault.at - offset
      if (at >= 0 && at < chunk.length) chunk[at] = (chunk[at] ?? 0) ^ 0xff
    }
    return chunk
  }
}

function stopOf(fault: FaultAction): number | undefined {
  if (fault.kind === 'cut-body') return fault.afterBytes
  return fault.kind === 'at' && typeof fault.point === 'number' ? fault.point : undefined
}

function brokenOff(sent: number): Failure {
  return new Failure('backend-unreachable', `the connection broke after ${sent} bytes of the body`)
}
