import { createHash } from 'node:crypto'

/** Numbers that a seed decides: a failing run is played again by it. */
export class Random {
  #state: number

  /** @param words what the stream belongs to; other words give another stream */
  constructor(...words: readonly (string | number)[]) {
    this.#state = createHash('sha256').update(words.join('/')).digest().readUInt32LE(0)
  }

  /** 0 <= x < 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }

  /** A whole number, 0 <= x < `end`. */
  below(end: number): number {
    return Math.floor(this.next() * end)
  }

  pick<T>(choices: readonly [T, ...T[]]): T {
    return choices[this.below(choices.length)] ?? choices[0]
  }
}
