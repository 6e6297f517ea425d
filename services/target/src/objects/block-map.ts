import type { BlockTable } from '../store/contract.ts'

/** A block is nobody's, being fetched, or there. */
const ABSENT = 0
const CLAIMED = 1
const PRESENT = 2

/**
 * Which blocks of an object are there, and which somebody is fetching. The last block may be short.
 * Sizes and offsets are bytes of the object.
 */
export class BlockMap {
  readonly blockBytes: number
  readonly sizeBytes: number
  readonly blockCount: number
  readonly #states: Uint8Array
  readonly #crcs: Float64Array
  #presentCount = 0

  /** Every block absent, or as `table` says. */
  constructor(sizeBytes: number, blockBytes: number, table?: BlockTable) {
    this.sizeBytes = sizeBytes
    this.blockBytes = blockBytes
    this.blockCount = Math.ceil(sizeBytes / blockBytes)
    this.#states = new Uint8Array(this.blockCount)
    this.#crcs = new Float64Array(this.blockCount).fill(-1)
    if (table === undefined) return
    for (let index = 0; index < this.blockCount; index++) {
      const crc = table.crcs[index] ?? -1
      if (crc >= 0) this.markPresent(index, crc)
    }
  }

  indexOf(offset: number): number {
    return Math.floor(offset / this.blockBytes)
  }

  startOf(index: number): number {
    return index * this.blockBytes
  }

  endOf(index: number): number {
    return Math.min((index + 1) * this.blockBytes, this.sizeBytes)
  }

  isPresent(index: number): boolean {
    return this.#states[index] === PRESENT
  }

  /** The crc32c of a block that is there. */
  crcOf(index: number): number | undefined {
    return this.isPresent(index) ? this.#crcs[index] : undefined
  }

  isAbsent(index: number): boolean {
    return this.#states[index] === ABSENT
  }

  get complete(): boolean {
    return this.#presentCount === this.blockCount
  }

  /** Bytes of the blocks that are there. */
  get presentBytes(): number {
    if (this.#presentCount === 0) return 0
    const last = this.blockCount - 1
    const lastBytes = this.endOf(last) - this.startOf(last)
    const missing = this.isPresent(last) ? this.blockBytes - lastBytes : 0
    return this.#presentCount * this.blockBytes - missing
  }

  /** Bytes of the blocks that somebody is fetching. */
  get claimedBytes(): number {
    let bytes = 0
    for (const [index, state] of this.#states.entries()) {
      if (state === CLAIMED) bytes += this.endOf(index) - this.startOf(index)
    }
    return bytes
  }

  /** Bytes of the blocks of `[from, to)` that are nobody's. */
  absentBytes(from: number, to: number): number {
    let bytes = 0
    for (let index = this.indexOf(from); this.startOf(index) < to; index++) {
      if (this.isAbsent(index)) bytes += this.endOf(index) - this.startOf(index)
    }
    return bytes
  }

  bytesOf(blocks: Iterable<number>): number {
    let bytes = 0
    for (const index of blocks) bytes += this.endOf(index) - this.startOf(index)
    return bytes
  }

  markPresent(index: number, crc: number): void {
    if (this.#states[index] !== PRESENT) this.#presentCount += 1
    this.#states[index] = PRESENT
    this.#crcs[index] = crc
  }

  claim(first: number, end: number): void {
    for (let index = first; index < end; index++) {
      if (this.#states[index] === ABSENT) this.#states[index] = CLAIMED
    }
  }

  /** Gives back what was claimed and did not arrive. */
  unclaim(first: number, end: number): void {
    for (let index = first; index < end; index++) {
      if (this.#states[index] === CLAIMED) this.#states[index] = ABSENT
    }
  }

  /** The first run of absent blocks in `[first, end)`, or undefined. */
  absentRun(
    first: number,
    end: number,
  ): { readonly first: number; readonly end: number } | undefined {
    let at = first
    while (at < end && this.#states[at] !== ABSENT) at += 1
    if (at >= end) return undefined
    const start = at
    while (at < end && this.#states[at] === ABSENT) at += 1
    return { first: start, end: at }
  }

  /** End of the bytes that are there without a gap from `offset`; `offset` itself when there are none. */
  presentEnd(offset: number): number {
    let index = this.indexOf(offset)
    if (index >= this.blockCount || !this.isPresent(index)) return offset
    while (index < this.blockCount && this.isPresent(index)) index += 1
    return this.endOf(index - 1)
  }

  /** A copy for a record. */
  toTable(): BlockTable {
    return { blockBytes: this.blockBytes, crcs: this.#crcs.slice() }
  }
}
