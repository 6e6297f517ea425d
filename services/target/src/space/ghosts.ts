/** Places that a print may have. */
const WAYS = 8
const SETS_MIN = 8
const TAG_MASK = 0xffff

/** Places for each object of the cache when they are made; half as many are the least. */
const PLACES_PER_OBJECT = 0.75

/**
 * Prints of objects that were given up, the latest half to three quarters as many as the cache has
 * objects: 16 bits each, in sets of eight places whose oldest is written over. One in ten thousand is
 * remembered by mistake.
 */
export class Ghosts {
  #tags = new Uint16Array(SETS_MIN * WAYS)
  /** Place of each set that is written next. */
  #next = new Uint8Array(SETS_MIN)

  get memoryBytes(): number {
    return this.#tags.byteLength + this.#next.byteLength
  }

  /** Makes room for a cache of so many objects; forgets what it had when it grows. */
  fit(objects: number): void {
    if (objects < 2 * this.#tags.length) return
    const sets = Math.floor((objects * PLACES_PER_OBJECT) / WAYS)
    this.#tags = new Uint16Array(sets * WAYS)
    this.#next = new Uint8Array(sets)
  }

  add(print: number): void {
    const set = this.#setOf(print)
    const way = this.#next[set] ?? 0
    this.#tags[set * WAYS + way] = tagOf(print)
    this.#next[set] = (way + 1) % WAYS
  }

  /** True when the print was there; it is forgotten. */
  take(print: number): boolean {
    const first = this.#setOf(print) * WAYS
    const tag = tagOf(print)
    for (let at = first; at < first + WAYS; at++) {
      if (this.#tags[at] !== tag) continue
      this.#tags[at] = 0
      return true
    }
    return false
  }

  save(): readonly number[] {
    return [...this.#tags]
  }

  load(tags: readonly number[]): void {
    if (tags.length < SETS_MIN * WAYS || tags.length % WAYS !== 0) return
    this.#tags = Uint16Array.from(tags)
    this.#next = new Uint8Array(tags.length / WAYS)
  }

  #setOf(print: number): number {
    // Scrambled, for all prints of a policy may begin alike.
    return Math.floor(((Math.imul(print, 0x9e3779b1) >>> 0) / 2 ** 32) * this.#next.length)
  }
}

/** The low bits, which the set does not tell; 0 is an empty place. */
function tagOf(print: number): number {
  return print & TAG_MASK || 1
}
