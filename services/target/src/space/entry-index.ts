/**
 * A word of the index: in its low bits the place of an entry (a position + 1, and above it the table),
 * in its high bits a tag, those of the scrambled print. Where the search for an entry begins follows
 * from the tag, so that a search or a change of the index looks at hardly any entry but the one that is
 * meant.
 */
const POSITION_BITS = 15
const POSITION_MASK = 2 ** POSITION_BITS - 1
const PLACE_BITS = POSITION_BITS + 1
const PLACE_MASK = 2 ** PLACE_BITS - 1
const TAG_RANGE = 2 ** (32 - PLACE_BITS)

/** Entries of one table. */
export const ENTRIES_MAX = POSITION_MASK - 1

/** Most entries for each slot: with more, searches become long. */
const LOAD_MAX = 3 / 4
/** With so few it shrinks, to a little more than they need. */
const LOAD_MIN = 0.72 * LOAD_MAX
const GROWTH = 1.25
const TRIMMED = 1.1
const SLOTS_MIN = 43

/** Entries that move are searched one by one where they are fewer than this share of the slots. */
const FEW = 1 / 6

/** In a table of moves: no entry was here. */
export const GONE = 2 ** 16 - 1

/** One of the tables that share an index. */
export type Queue = 0 | 1

/** Where an entry is: a position of a table, as one number. */
export function placeOf(queue: Queue, position: number): number {
  return (queue << POSITION_BITS) | (position + 1)
}

/** The table of a place. */
export function queueOf(place: number): Queue {
  return ((place >>> POSITION_BITS) & 1) === 0 ? 0 : 1
}

/** The position of a place; -1 of 0, which is none. */
export function positionOf(place: number): number {
  return (place & POSITION_MASK) - 1
}

/**
 * Finds entries by print, with linear probing, for one table or two: an entry that goes from one to the
 * other keeps its slot. 0 is a free slot.
 */
export class EntryIndex {
  #words = new Uint32Array(SLOTS_MIN)
  #count = 0
  #first = new Uint32Array(0)
  #second = new Uint32Array(0)

  get memoryBytes(): number {
    return this.#words.byteLength
  }

  /** Where the prints of a table are, by position. */
  setPrints(queue: Queue, prints: Uint32Array<ArrayBuffer>): void {
    if (queue === 0) this.#first = prints
    else this.#second = prints
  }

  /** The place of the print; 0 when it has none. */
  find(print: number): number {
    const words = this.#words
    const { length } = words
    const tag = tagOf(print)
    for (let slot = home(tag, length); ; slot = slot + 1 === length ? 0 : slot + 1) {
      const word = words[slot] ?? 0
      if (word === 0) return 0
      if (word >>> PLACE_BITS !== tag) continue
      if (this.#printsOf(queueOf(word))[positionOf(word)] === print) return word & PLACE_MASK
    }
  }

  /** The print must not be there. */
  add(print: number, place: number): void {
    if (this.#count >= this.#words.length * LOAD_MAX) this.#resize(this.#count * GROWTH)
    this.#count += 1
    put(this.#words, wordOf(tagOf(print), place))
  }

  /** The print has another place. */
  move(print: number, from: number, to: number): void {
    const tag = tagOf(print)
    this.#words[this.#slotOf(tag, from)] = wordOf(tag, to)
  }

  /** Takes an entry out and closes the gap, so that no search ends too early. */
  remove(print: number, place: number): void {
    const words = this.#words
    const { length } = words
    let gap = this.#slotOf(tagOf(print), place)
    for (let slot = gap + 1 === length ? 0 : gap + 1; words[slot] !== 0; ) {
      const word = words[slot] ?? 0
      const wanted = home(word >>> PLACE_BITS, length)
      // An entry may move into the gap unless its home lies behind it, on the way round.
      const stays = gap <= slot ? gap < wanted && wanted <= slot : gap < wanted || wanted <= slot
      if (!stays) {
        words[gap] = word
        gap = slot
      }
      slot = slot + 1 === length ? 0 : slot + 1
    }
    words[gap] = 0
    this.#count -= 1
  }

  /** Gives memory back that is not needed. */
  trim(): void {
    const { length } = this.#words
    if (this.#count >= length * LOAD_MIN || length === SLOTS_MIN) return
    this.#resize(this.#count * TRIMMED)
  }

  /**
   * The entries of a table closed up: none has a higher position than before.
   *
   * @param moved new positions by old ones, `GONE` where none was; the prints are at the new ones
   * @param live entries
   */
  closeUp(queue: Queue, moved: Uint16Array, live: number): void {
    if (live < this.#words.length * FEW) this.#moveFew(queue, moved)
    else this.#moveMany(queue, moved)
  }

  /** In order: nobody has the new position of an entry by then. */
  #moveFew(queue: Queue, moved: Uint16Array): void {
    const prints = this.#printsOf(queue)
    for (let from = 0; from < moved.length; from++) {
      const to = moved[from] ?? GONE
      if (to === GONE || to === from) continue
      this.move(prints[to] ?? 0, placeOf(queue, from), placeOf(queue, to))
    }
  }

  #moveMany(queue: Queue, moved: Uint16Array): void {
    const words = this.#words
    for (let slot = 0; slot < words.length; slot++) {
      const word = words[slot] ?? 0
      if (word === 0 || queueOf(word) !== queue) continue
      words[slot] = wordOf(word >>> PLACE_BITS, placeOf(queue, moved[positionOf(word)] ?? 0))
    }
  }

  #printsOf(queue: Queue): Uint32Array {
    return queue === 0 ? this.#first : this.#second
  }

  /** In the order of the old slots, which is nearly that of the new ones. */
  #resize(entries: number): void {
    const words = new Uint32Array(Math.max(SLOTS_MIN, Math.ceil(entries / LOAD_MAX)))
    for (const word of this.#words) if (word !== 0) put(words, word)
    this.#words = words
  }

  /** The slot of an entry that is there: its word is known, so that no entry is looked at. */
  #slotOf(tag: number, place: number): number {
    const words = this.#words
    const { length } = words
    const word = wordOf(tag, place)
    let slot = home(tag, length)
    while (words[slot] !== word) slot = slot + 1 === length ? 0 : slot + 1
    return slot
  }
}

/** The print of the word is not in the index, so only a free slot ends the search. */
function put(words: Uint32Array, word: number): void {
  const { length } = words
  let slot = home(word >>> PLACE_BITS, length)
  while (words[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
  words[slot] = word
}

/** Scrambled, for all prints of a table may begin alike. */
function tagOf(print: number): number {
  return Math.imul(print, 0x9e3779b1) >>> PLACE_BITS
}

function wordOf(tag: number, place: number): number {
  return ((tag << PLACE_BITS) | place) >>> 0
}

/** The slot where the search for a tag begins. */
function home(tag: number, length: number): number {
  return Math.floor((tag * length) / TAG_RANGE)
}
