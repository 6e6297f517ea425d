import type { BlockMap } from './block-map.ts'
import type { RangeFetch } from './range-fetch.ts'

/** A reader does not wait for a fetch that is further away than this; it starts its own. Bytes. */
const FETCH_AHEAD_BYTES = 16 * 1024 ** 2

/** The connections of one fill that bring bytes now, and what a reader can have of them. */
export class FetchSet {
  readonly #map: BlockMap
  readonly #fetches = new Set<RangeFetch>()

  constructor(map: BlockMap) {
    this.#map = map
  }

  add(fetch: RangeFetch): void {
    this.#fetches.add(fetch)
  }

  delete(fetch: RangeFetch): void {
    this.#fetches.delete(fetch)
  }

  /** Connections that bring bytes. */
  get size(): number {
    return this.#fetches.size
  }

  has(fetch: RangeFetch): boolean {
    return this.#fetches.has(fetch)
  }

  abort(): void {
    for (const fetch of this.#fetches) fetch.abort()
  }

  /** End of the bytes from `offset` on that are in the file without a gap; `offset` when there are none. */
  writtenEnd(offset: number): number {
    const present = this.#map.presentEnd(offset)
    let end = present
    for (const fetch of this.#fetches) {
      if (fetch.start <= present && fetch.position > end) end = fetch.position
    }
    return end
  }

  isHeld(offset: number): boolean {
    for (const fetch of this.#fetches) if (fetch.isHeld(offset)) return true
    return false
  }

  /** Copies what a fetch has in memory from `offset` on; the number of bytes, 0 when there are none. */
  copyHeld(offset: number, into: Buffer): number {
    for (const fetch of this.#fetches) {
      const copied = fetch.copyHeld(offset, into)
      if (copied > 0) return copied
    }
    return 0
  }

  /** Gives blocks that a distant fetch has claimed to whoever needs them now. */
  takeOver(first: number): void {
    const wanted = this.#map.startOf(first)
    for (const fetch of this.#fetches) {
      if (fetch.start > wanted || fetch.end <= wanted) continue
      if (wanted - fetch.position <= FETCH_AHEAD_BYTES) continue
      this.shorten(fetch, wanted)
    }
  }

  /**
   * The first fetch with much before it whose blocks from some place in `[first, end)` on another
   * connection could bring, and that place: `aheadBytes` or more from where the fetch is.
   */
  findLong(
    range: { readonly first: number; readonly end: number },
    aheadBytes: number,
  ): { readonly fetch: RangeFetch; readonly first: number } | undefined {
    let found: { readonly fetch: RangeFetch; readonly first: number } | undefined
    for (const fetch of this.#fetches) {
      const behind = Math.ceil((fetch.takenTo + aheadBytes) / this.#map.blockBytes)
      const first = Math.max(behind, range.first)
      if (first >= range.end || this.#map.startOf(first) >= fetch.end) continue
      if (found === undefined || first < found.first) found = { fetch, first }
    }
    return found
  }

  /** Ends a fetch earlier; the blocks behind it are nobody's again. */
  shorten(fetch: RangeFetch, end: number): void {
    this.#map.unclaim(this.#map.indexOf(end), this.#map.indexOf(fetch.end - 1) + 1)
    fetch.shorten(end)
  }

  /** Ends every fetch with the block that it is at. */
  shortenAll(): void {
    for (const fetch of this.#fetches) {
      const blockEnd = this.#map.endOf(this.#map.indexOf(fetch.position))
      if (fetch.end > blockEnd) this.shorten(fetch, blockEnd)
    }
  }
}
