import { cachestatResident } from '../os/libc.ts'
import { RESIDENCY_NOTED_BYTES_MAX, RESIDENCY_NOTED_MS } from './send-limits.ts'

/** Files noted at a time, 2^13; with 28 bytes each, 224 KiB. Two of them in one place replace each other. */
const SLOTS = 8192

/** Ranges of a file that begin so far from each other have slots of their own. */
const NEIGHBOUR_BYTES = 16 * 1024

/**
 * Which small ranges of files are in memory. The system is asked, and what it said is believed for a
 * moment: the pages were in use just now, so they are the last that it takes back. To be wrong costs a
 * read of a small range on the event loop. So does a descriptor that was closed and given to another
 * file meanwhile.
 */
export class Residency {
  readonly #nowMs: () => number
  readonly #fds = new Int32Array(SLOTS).fill(-1)
  readonly #offsets = new Float64Array(SLOTS)
  readonly #ends = new Float64Array(SLOTS)
  readonly #untilMs = new Float64Array(SLOTS)

  /** @param nowMs a clock that does not jump */
  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  /** Whether every page of a range within the file is in memory; undefined when nobody can say. */
  has(fd: number, offset: number, lengthBytes: number): boolean | undefined {
    if (lengthBytes > RESIDENCY_NOTED_BYTES_MAX) return cachestatResident(fd, offset, lengthBytes)
    // Small objects that share a file are not to share a slot.
    const slot = (fd + Math.floor(offset / NEIGHBOUR_BYTES)) % SLOTS
    const end = offset + lengthBytes
    const nowMs = this.#nowMs()
    if (
      this.#fds[slot] === fd &&
      (this.#untilMs[slot] ?? 0) > nowMs &&
      (this.#offsets[slot] ?? 0) <= offset &&
      (this.#ends[slot] ?? 0) >= end
    ) {
      return true
    }
    const resident = cachestatResident(fd, offset, lengthBytes)
    if (resident === true) {
      this.#fds[slot] = fd
      this.#offsets[slot] = offset
      this.#ends[slot] = end
      this.#untilMs[slot] = nowMs + RESIDENCY_NOTED_MS
    }
    return resident
  }
}

/** The one of this process: descriptors are its own. */
export const residency = new Residency()
