import fs from 'node:fs'
import { promisify } from 'node:util'
import type { BackendBody } from '@forebay/backend-port/backend'
import type { Digester } from '@forebay/base/hash/digester'
import { PUMP_SLICE_BYTES } from '@forebay/base/limits'
import { crc32c } from '@node-rs/crc32'
import type { BlockMap } from './block-map.ts'

const writevAsync = promisify(fs.writev)

/** A synchronous write that took longer than this blocked on the disk: the next ones go off the loop. */
const SLOW_WRITE_MS = 10

/** Slow writes that follow a slow one before the loop is trusted with the disk again. */
const ASYNC_WRITES_AFTER_SLOW = 32

/** What a fetch needs of the fill it works for. */
export interface FetchHost {
  readonly fd: number
  readonly map: BlockMap
  /** True while a reader waits for a byte of `[from, to)`: then they are written at once. */
  isAwaited(from: number, to: number): boolean
  /** Bytes up to `offset` are in the file. */
  onWritten(fetch: RangeFetch): void
  onBlock(index: number, crc: number): void
}

/**
 * One upstream connection on its way into the file: gathers chunks, writes them where they belong,
 * and reports each block that is complete with its crc32c.
 *
 * Bytes: `[start, end)` of the object; `start` is the start of a block. `end` may shrink while it
 * runs, when another fetch takes over the rest.
 */
export class RangeFetch {
  readonly start: number
  end: number
  /** Offset up to which the bytes are in the file. */
  position: number
  readonly #host: FetchHost
  readonly #body: BackendBody
  readonly #digester: Digester | undefined
  #gathered: Buffer[] = []
  #gatheredBytes = 0
  #crc = 0
  #asyncWrites = 0
  #cut = false

  constructor(
    host: FetchHost,
    body: BackendBody,
    range: {
      readonly start: number
      readonly end: number
      readonly digester?: Digester | undefined
    },
  ) {
    this.#host = host
    this.#body = body
    this.#digester = range.digester
    this.start = range.start
    this.end = range.end
    this.position = range.start
  }

  /** True when the fetch ended early because its end was moved to where it is. */
  get cut(): boolean {
    return this.#cut
  }

  /** Resolves when all bytes up to `end` are in the file; rejects with the body's failure. */
  async run(): Promise<void> {
    try {
      await this.#body.pump((chunk) => this.#take(chunk))
    } catch (error) {
      if (!this.#cut) throw error
    }
    if (!this.#cut) await this.#flush()
  }

  /** Ends the transfer; what is in the file stays. */
  abort(): void {
    this.#body.discard()
  }

  #take(chunk: Buffer): void | Promise<void> {
    if (this.#cut) return undefined
    const room = this.end - this.position - this.#gatheredBytes
    const wanted = chunk.length > room ? chunk.subarray(0, room) : chunk
    this.#gathered.push(wanted)
    this.#gatheredBytes += wanted.length
    const digesting = this.#digester?.update(wanted)
    const full = this.#gatheredBytes >= PUMP_SLICE_BYTES
    if (chunk.length > room) return this.#finishCut(digesting)
    if (full || this.#host.isAwaited(this.position, this.position + this.#gatheredBytes)) {
      const flushing = this.#flush()
      return digesting === undefined
        ? flushing
        : Promise.all([digesting, flushing]).then(() => undefined)
    }
    return digesting
  }

  async #finishCut(digesting: void | Promise<void>): Promise<void> {
    await digesting
    await this.#flush()
    this.#cut = true
    this.#body.discard()
  }

  #flush(): void | Promise<void> {
    if (this.#gatheredBytes === 0) return undefined
    const chunks = this.#gathered
    this.#gathered = []
    this.#gatheredBytes = 0
    if (this.#asyncWrites > 0) {
      this.#asyncWrites -= 1
      return this.#writeAsync(chunks)
    }
    const before = performance.now()
    writeAllSync(this.#host.fd, chunks, this.position)
    if (performance.now() - before > SLOW_WRITE_MS) this.#asyncWrites = ASYNC_WRITES_AFTER_SLOW
    this.#account(chunks)
    return undefined
  }

  async #writeAsync(chunks: readonly Buffer[]): Promise<void> {
    let rest = chunks
    let at = this.position
    while (rest.length > 0) {
      const { bytesWritten } = await writevAsync(this.#host.fd, rest, at)
      at += bytesWritten
      rest = skipBytes(rest, bytesWritten)
    }
    this.#account(chunks)
  }

  #account(chunks: readonly Buffer[]): void {
    const { map } = this.#host
    for (const chunk of chunks) {
      let from = 0
      while (from < chunk.length) {
        const index = map.indexOf(this.position)
        const take = Math.min(chunk.length - from, map.endOf(index) - this.position)
        this.#crc = crc32c(chunk.subarray(from, from + take), this.#crc)
        from += take
        this.position += take
        if (this.position === map.endOf(index)) {
          this.#host.onBlock(index, this.#crc)
          this.#crc = 0
        }
      }
    }
    this.#host.onWritten(this)
  }
}

function writeAllSync(fd: number, chunks: readonly Buffer[], position: number): void {
  let rest = chunks
  let at = position
  while (rest.length > 0) {
    const written = fs.writevSync(fd, rest, at)
    at += written
    rest = skipBytes(rest, written)
  }
}

/** The chunks without their first `bytes` bytes. */
function skipBytes(chunks: readonly Buffer[], bytes: number): readonly Buffer[] {
  let left = bytes
  let index = 0
  for (; index < chunks.length; index++) {
    const length = chunks[index]?.length ?? 0
    if (left < length) break
    left -= length
  }
  const rest = chunks.slice(index)
  const first = rest[0]
  if (left > 0 && first !== undefined) rest[0] = first.subarray(left)
  return rest
}
