/** Unit of an entry's size, bytes: that of most file systems. */
const UNIT_BYTES = 4096

/** The state of an entry: flags of the policy in the low bits, its size in units above. */
const FLAG_BITS = 3
const UNITS_MAX = 2 ** (32 - FLAG_BITS) - 1

/** The flag of an entry that is to go; the other bits are the policy's. */
export const CHOSEN = 4
export const FLAGS = 7

const ENTRIES_MIN = 32
/** Both keep what an entry takes near 12 bytes of columns and 5.3 of index, and the copying rare. */
const GROWTH = 1.18
const INDEX_SLOTS_PER_ENTRY = 4 / 3

/** A full table with so many holes is copied without them; one with fewer grows. */
const HOLES_SHARE_MIN = 1 / 8

/** With fewer live entries the table shrinks, to a little more than they need. */
const LIVE_SHARE_MIN = 0.72
const TRIMMED = 1.1

/**
 * A word of the index: a position + 1 in the low bits, and above it a tag, the high bits of the
 * scrambled print. Where the search for an entry begins follows from the tag, so that a search or a
 * change of the index looks at hardly any entry but the one that is meant.
 */
const POSITION_BITS = 15
const POSITION_MASK = 2 ** POSITION_BITS - 1
const TAG_RANGE = 2 ** (32 - POSITION_BITS)

/** Entries that a table can hold. */
export const ENTRIES_MAX = POSITION_MASK - 1

/** Words of an entry where it is saved: print, time of use, state. */
export const SAVED_WORDS = 3

/**
 * Entries in the order in which they came, found by print: 12 bytes each in columns, and an index with
 * linear probing. A removed entry leaves a hole; `append` closes holes, which moves entries, so that a
 * position holds until the next `append`. `hand` is moved along.
 */
export class EntryTable {
  /** A position for the policy's use: what it points at stays the same entry. */
  hand = 0
  #prints = new Uint32Array(ENTRIES_MIN)
  /** Time of use, as the policy counts it. */
  #used = new Uint32Array(ENTRIES_MIN)
  /** 0 is a hole: an entry has one unit at least. */
  #states = new Uint32Array(ENTRIES_MIN)
  /** 0 is free. */
  #index = new Uint32Array(indexLength(ENTRIES_MIN))
  #end = 0
  #count = 0
  #units = 0

  /** Live entries. */
  get count(): number {
    return this.#count
  }

  /** Sum of the sizes, units. */
  get units(): number {
    return this.#units
  }

  /** Behind the last position. */
  get end(): number {
    return this.#end
  }

  get memoryBytes(): number {
    return this.#prints.byteLength * 3 + this.#index.byteLength
  }

  /** Position of the entry; -1 when there is none. */
  find(print: number): number {
    return ((this.#index[this.#slotOf(print)] ?? 0) & POSITION_MASK) - 1
  }

  isLive(position: number): boolean {
    return (this.#states[position] ?? 0) !== 0
  }

  printAt(position: number): number {
    return this.#prints[position] ?? 0
  }

  usedAt(position: number): number {
    return this.#used[position] ?? 0
  }

  setUsed(position: number, time: number): void {
    this.#used[position] = time
  }

  flagsAt(position: number): number {
    return (this.#states[position] ?? 0) & FLAGS
  }

  setFlags(position: number, flags: number): void {
    this.#states[position] = ((this.#states[position] ?? 0) & ~FLAGS) | flags
  }

  unitsAt(position: number): number {
    return (this.#states[position] ?? 0) >>> FLAG_BITS
  }

  bytesAt(position: number): number {
    return this.unitsAt(position) * UNIT_BYTES
  }

  /** @param bytes size on disk, > 0 */
  setBytes(position: number, bytes: number): void {
    const units = unitsOf(bytes)
    this.#units += units - this.unitsAt(position)
    this.#states[position] = ((units << FLAG_BITS) | this.flagsAt(position)) >>> 0
  }

  /**
   * A new last entry; the print must not be there. A full table, of prints that are too much alike to
   * be told apart by shards, does not take it.
   *
   * @returns its position, -1 when it was not taken
   */
  append(print: number, time: number, bytes: number): number {
    return this.#push(print, time, (unitsOf(bytes) << FLAG_BITS) >>> 0)
  }

  /** Moves an entry to the end. @returns its position there */
  moveToEnd(position: number): number {
    const print = this.printAt(position)
    const time = this.usedAt(position)
    const state = this.#states[position] ?? 0
    if (this.#end === this.#prints.length) {
      this.remove(position)
      return this.#push(print, time, state)
    }
    const end = this.#end
    this.#index[this.#slotAt(print, position)] = indexWord(tagOf(print), end)
    this.#prints[end] = print
    this.#used[end] = time
    this.#states[end] = state
    this.#states[position] = 0
    this.#end = end + 1
    return end
  }

  /** Moves an entry to the end of another table. @returns its position there, -1 when that one is full */
  moveTo(other: EntryTable, position: number): number {
    const print = this.printAt(position)
    const time = this.usedAt(position)
    const state = this.#states[position] ?? 0
    this.remove(position)
    this.trim()
    return other.#push(print, time, state)
  }

  remove(position: number): void {
    this.#units -= this.unitsAt(position)
    this.#count -= 1
    this.#unlink(this.printAt(position), position)
    this.#states[position] = 0
  }

  removeChosen(): void {
    for (let position = 0; position < this.#end; position++) {
      if (this.isLive(position) && (this.flagsAt(position) & CHOSEN) !== 0) this.remove(position)
    }
    this.trim()
  }

  /** Gives memory back that is not needed; moves entries, as `append` does. */
  trim(): void {
    const { length } = this.#prints
    if (this.#count >= length * LIVE_SHARE_MIN || length === ENTRIES_MIN) return
    this.#copy(Math.max(ENTRIES_MIN, Math.ceil(this.#count * TRIMMED)))
  }

  /** The live entries in order. */
  save(): Uint32Array {
    const saved = new Uint32Array(this.#count * SAVED_WORDS)
    let at = 0
    for (let position = 0; position < this.#end; position++) {
      if (!this.isLive(position)) continue
      saved[at] = this.printAt(position)
      saved[at + 1] = this.usedAt(position)
      saved[at + 2] = this.#states[position] ?? 0
      at += SAVED_WORDS
    }
    return saved
  }

  /** Appends what was saved, without what is there already, and with `flagsMask` of its flags. */
  load(saved: Uint32Array, flagsMask: number): void {
    const clear = FLAGS & ~flagsMask
    for (let at = 0; at + SAVED_WORDS <= saved.length; at += SAVED_WORDS) {
      const print = saved[at] ?? 0
      const state = ((saved[at + 2] ?? 0) & ~clear) >>> 0
      if (state >>> FLAG_BITS === 0 || this.find(print) >= 0) continue
      this.#push(print, saved[at + 1] ?? 0, state)
    }
  }

  #push(print: number, time: number, state: number): number {
    if (this.#end === this.#prints.length && !this.#makeRoom()) return -1
    const position = this.#end
    this.#prints[position] = print
    this.#used[position] = time
    this.#states[position] = state
    this.#end += 1
    this.#count += 1
    this.#units += state >>> FLAG_BITS
    this.#link(position)
    return position
  }

  /** Closes the holes, and grows when there are few. @returns false when it is full */
  #makeRoom(): boolean {
    const { length } = this.#prints
    const enough = length - this.#count >= length * HOLES_SHARE_MIN
    const wanted = enough ? length : Math.min(ENTRIES_MAX, Math.ceil(length * GROWTH))
    if (wanted === this.#count) return false
    this.#copy(wanted)
    return true
  }

  #copy(length: number): void {
    const same = length === this.#prints.length
    const prints = same ? this.#prints : new Uint32Array(length)
    const used = same ? this.#used : new Uint32Array(length)
    const states = same ? this.#states : new Uint32Array(length)
    let to = 0
    let hand = -1
    for (let from = 0; from < this.#end; from++) {
      if (from === this.hand) hand = to
      const state = this.#states[from] ?? 0
      if (state === 0) continue
      prints[to] = this.#prints[from] ?? 0
      used[to] = this.#used[from] ?? 0
      states[to] = state
      MOVED[from] = to
      to += 1
    }
    this.hand = hand < 0 ? to : hand
    this.#prints = prints
    this.#used = used
    this.#states = states
    this.#end = to
    if (same) this.#movePositions()
    else this.#index = movedInto(new Uint32Array(indexLength(length)), this.#index)
  }

  /** What the index says of each entry, by `MOVED`; the slots stay. */
  #movePositions(): void {
    const index = this.#index
    for (let slot = 0; slot < index.length; slot++) {
      const word = index[slot] ?? 0
      if (word !== 0) index[slot] = movedWord(word)
    }
  }

  /** The slot of the print, or the free one where its search ends. */
  #slotOf(print: number): number {
    const index = this.#index
    const { length } = index
    const tag = tagOf(print)
    for (let slot = home(tag, length); ; slot = slot + 1 === length ? 0 : slot + 1) {
      const word = index[slot] ?? 0
      if (word === 0) return slot
      if (word >>> POSITION_BITS !== tag) continue
      if (this.#prints[(word & POSITION_MASK) - 1] === print) return slot
    }
  }

  /** The slot of an entry whose position is known: its word is, so that no entry is looked at. */
  #slotAt(print: number, position: number): number {
    const index = this.#index
    const { length } = index
    const tag = tagOf(print)
    const word = indexWord(tag, position)
    let slot = home(tag, length)
    while (index[slot] !== word) slot = slot + 1 === length ? 0 : slot + 1
    return slot
  }

  /** The print is not in the index yet, so only a free slot ends the search. */
  #link(position: number): void {
    const index = this.#index
    const { length } = index
    const tag = tagOf(this.printAt(position))
    let slot = home(tag, length)
    while (index[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
    index[slot] = indexWord(tag, position)
  }

  /** Takes an entry out of the index and closes the gap, so that no search ends too early. */
  #unlink(print: number, position: number): void {
    const index = this.#index
    const { length } = index
    let gap = this.#slotAt(print, position)
    for (let slot = gap + 1 === length ? 0 : gap + 1; index[slot] !== 0; ) {
      const word = index[slot] ?? 0
      const wanted = home(word >>> POSITION_BITS, length)
      // An entry may move into the gap unless its home lies behind it, on the way round.
      const stays = gap <= slot ? gap < wanted && wanted <= slot : gap < wanted || wanted <= slot
      if (!stays) {
        index[gap] = word
        gap = slot
      }
      slot = slot + 1 === length ? 0 : slot + 1
    }
    index[gap] = 0
  }
}

/** Where a copy of a table put the entry of each position; of one table at a time. */
const MOVED = new Uint16Array(ENTRIES_MAX)

function movedWord(word: number): number {
  return indexWord(word >>> POSITION_BITS, MOVED[(word & POSITION_MASK) - 1] ?? 0)
}

/** Fills a larger or smaller index, in the order of the old one: that is nearly the order of slots. */
function movedInto<T extends Uint32Array>(index: T, old: Uint32Array): T {
  const { length } = index
  for (const word of old) {
    if (word === 0) continue
    let slot = home(word >>> POSITION_BITS, length)
    while (index[slot] !== 0) slot = slot + 1 === length ? 0 : slot + 1
    index[slot] = movedWord(word)
  }
  return index
}

/** A size as the table counts it: a multiple of 4 KiB, one at least, 2 TiB at most. */
function unitsOf(bytes: number): number {
  return Math.min(UNITS_MAX, Math.max(1, Math.ceil(bytes / UNIT_BYTES)))
}

/** Scrambled, for all prints of a table may begin alike. */
function tagOf(print: number): number {
  return Math.imul(print, 0x9e3779b1) >>> POSITION_BITS
}

function indexWord(tag: number, position: number): number {
  return ((tag << POSITION_BITS) | (position + 1)) >>> 0
}

function indexLength(entries: number): number {
  return Math.ceil(entries * INDEX_SLOTS_PER_ENTRY)
}

/** The slot where the search for a tag begins. */
function home(tag: number, length: number): number {
  return Math.floor((tag * length) / TAG_RANGE)
}
