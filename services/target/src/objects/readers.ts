/** Somebody who wants the bytes `[offset, end)` of an object, one after the other. */
export interface Reader {
  /** The next byte that it has not got yet; moves on. */
  offset: number
  readonly end: number
}

/** A run of blocks, `end` excluded. */
export interface BlockRun {
  readonly first: number
  readonly end: number
}

/** Who reads an object while it is fetched, and where they are. */
export class Readers {
  readonly #readers = new Set<Reader>()

  get count(): number {
    return this.#readers.size
  }

  add(offset: number, end: number): Reader {
    const reader = { offset, end }
    this.#readers.add(reader)
    return reader
  }

  delete(reader: Reader): void {
    this.#readers.delete(reader)
  }

  /**
   * Of what `find` offers each reader of the bytes that it still wants, the run with the fewest bytes
   * between the reader and its start.
   */
  mostUrgent<R extends BlockRun>(
    blockBytes: number,
    find: (first: number, end: number) => R | undefined,
  ): R | undefined {
    // Readers of the same block, of which there may be hundreds, are asked for once.
    const ends = new Map<number, number>()
    for (const { offset, end } of this.#readers) {
      if (offset >= end) continue
      const first = Math.floor(offset / blockBytes)
      ends.set(first, Math.max(ends.get(first) ?? 0, Math.ceil(end / blockBytes)))
    }
    let best: R | undefined
    let bestDistance = Number.POSITIVE_INFINITY
    for (const [first, end] of ends) {
      const run = find(first, end)
      if (run === undefined || run.first - first >= bestDistance) continue
      best = run
      bestDistance = run.first - first
    }
    return best
  }
}
