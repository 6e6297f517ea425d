import type { Trace } from './trace.ts'

/** What a cache answered of a trace, as shares, 0..1. */
export interface HitRatio {
  readonly objects: number
  readonly bytes: number
}

/** Counts the reads of a trace. */
export class HitCounter {
  #objects = 0
  #bytes = 0

  /** @param bytes of the object that were in the cache */
  hit(objects: number, bytes: number): void {
    this.#objects += objects
    this.#bytes += bytes
  }

  ratio({ reads, sizes }: Trace): HitRatio {
    let bytes = 0
    for (const id of reads) bytes += sizes[id] ?? 0
    return { objects: this.#objects / reads.length, bytes: this.#bytes / bytes }
  }
}
