import {
  ENTRIES_MAX,
  EntryIndex,
  GONE,
  placeOf,
  positionOf,
  type Queue,
  queueOf,
} from './entry-index.ts'

/** Unit of an entry's size, bytes: that of most file systems. */
const UNIT_BYTES = 4096

/** The state of an entry: flags of the policy in the low bits, its size in units above. */
const FLAG_BITS = 3
const UNITS_MAX = 2 ** (32 - FLAG_BITS) - 1

/** The flag of an entry that is to go; the other bits are the policy's. */
export const CHOSEN = 4
export const FLAGS = 7

const ENTRIES_MIN = 32
/** Keeps what an entry takes near 12 bytes of columns, and the copying rare. */
const GROWTH = 1.18

/** A full table with so many holes is copied without them; one with fewer grows. */
const HOLES_SHARE_MIN = 1 / 8

/** With fewer live entries the table shrinks, to a little more than they need. */
const LIVE_SHARE_MIN = 0.72
const TRIMMED = 1.1

/** Words of an entry where it is saved: print, time of use, state. */
export const SAVED_WORDS = 3

/**
 * Entries in the order in which they came, found by print: 12 bytes each in columns, and an index. A
 * removed entry leaves a hole; `append` closes holes, which moves entries, so that a position holds until
 * the next `append`. `hand` is moved along.
 *
 * Two tables may share an index: a print is in one of them then, and goes to the other at little cost.
 */
export class EntryTable {
  /** A position for the policy's use: what it points at stays the same entry. */
  hand = 0
  #prints = new Uint32Array(ENTRIES_MIN)
  /** Time of use, as the policy counts it. */
  #used = new Uint32Array(ENTRIES_MIN)
  /** 0 is a hole: an entry has one unit at least. */
  #states = new Uint32Array(ENTRIES_MIN)
  readonly #index: EntryIndex
  readonly #queue: Queue
  #end = 0
  #count = 0
  #units = 0

  /** @param index with another table's entries too; absent: one of its own */
  constructor(index = new EntryIndex(), queue: Queue = 0) {
    this.#index = index
    this.#queue = queue
    index.setPrints(queue, this.#prints)
  }

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

  /** Of the columns: the index may be another table's too. */
  get columnBytes(): number {
    return this.#prints.byteLength * 3
  }

  get memoryBytes(): number {
    return this.columnBytes + this.#index.memoryBytes
  }

  /** Position of the entry; -1 when there is none. */
  find(print: number): number {
    const place = this.#index.find(print)
    return queueOf(place) === this.#queue ? positionOf(place) : -1
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
    if (this.#end === this.#prints.length) {
      // No room behind the last: the entry is a hole while holes are closed.
      const print = this.printAt(position)
      const time = this.usedAt(position)
      const state = this.#states[position] ?? 0
      this.remove(position)
      return this.#push(print, time, state)
    }
    const print = this.printAt(position)
    const end = this.#end
    this.#index.move(print, this.#place(position), this.#place(end))
    this.#prints[end] = print
    this.#used[end] = this.usedAt(position)
    this.#states[end] = this.#states[position] ?? 0
    this.#states[position] = 0
    this.#end = end + 1
    return end
  }

  /**
   * Moves an entry to the end of another table of the same index. One that is full does not take it:
   * the entry is gone then.
   *
   * @returns its position there, -1 when it is gone
   */
  moveTo(other: EntryTable, position: number): number {
    const print = this.printAt(position)
    if (!other.#hasRoom()) {
      this.remove(position)
      this.trim()
      return -1
    }
    const to = other.#write(print, this.usedAt(position), this.#states[position] ?? 0)
    this.#index.move(print, this.#place(position), other.#place(to))
    this.#leave(position)
    this.#trimColumns()
    return to
  }

  remove(position: number): void {
    this.#index.remove(this.printAt(position), this.#place(position))
    this.#leave(position)
  }

  removeChosen(): void {
    for (let position = 0; position < this.#end; position++) {
      if (this.isLive(position) && (this.flagsAt(position) & CHOSEN) !== 0) this.remove(position)
    }
    this.trim()
  }

  /** Gives memory back that is not needed; moves entries, as `append` does. */
  trim(): void {
    this.#index.trim()
    this.#trimColumns()
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
    if (!this.#hasRoom()) return -1
    const position = this.#write(print, time, state)
    this.#index.add(print, this.#place(position))
    return position
  }

  #write(print: number, time: number, state: number): number {
    const position = this.#end
    this.#prints[position] = print
    this.#used[position] = time
    this.#states[position] = state
    this.#end += 1
    this.#count += 1
    this.#units += state >>> FLAG_BITS
    return position
  }

  /** Leaves a hole; the index has the entry elsewhere, or not at all. */
  #leave(position: number): void {
    this.#units -= this.unitsAt(position)
    this.#count -= 1
    this.#states[position] = 0
  }

  #place(position: number): number {
    return placeOf(this.#queue, position)
  }

  #trimColumns(): void {
    const { length } = this.#prints
    if (this.#count >= length * LIVE_SHARE_MIN || length === ENTRIES_MIN) return
    this.#copy(Math.max(ENTRIES_MIN, Math.ceil(this.#count * TRIMMED)))
  }

  /** Where there is no room behind the last entry, closes the holes, and grows when there are few. */
  #hasRoom(): boolean {
    const { length } = this.#prints
    if (this.#end < length) return true
    const enough = length - this.#count >= length * HOLES_SHARE_MIN
    const wanted = enough ? length : Math.min(ENTRIES_MAX, Math.ceil(length * GROWTH))
    if (wanted === this.#count) return false
    if (this.#end === this.#count) this.#grow(wanted)
    else this.#copy(wanted)
    return true
  }

  /** Without holes nothing changes its position. */
  #grow(length: number): void {
    const longer = (column: Uint32Array): Uint32Array<ArrayBuffer> => {
      const copy = new Uint32Array(length)
      copy.set(column)
      return copy
    }
    this.#prints = longer(this.#prints)
    this.#used = longer(this.#used)
    this.#states = longer(this.#states)
    this.#index.setPrints(this.#queue, this.#prints)
  }

  #copy(length: number): void {
    const same = length === this.#prints.length
    const prints = same ? this.#prints : new Uint32Array(length)
    const used = same ? this.#used : new Uint32Array(length)
    const states = same ? this.#states : new Uint32Array(length)
    const moved = MOVED.subarray(0, this.#end)
    let to = 0
    let hand = -1
    for (let from = 0; from < moved.length; from++) {
      if (from === this.hand) hand = to
      const state = this.#states[from] ?? 0
      moved[from] = state === 0 ? GONE : to
      if (state === 0) continue
      prints[to] = this.#prints[from] ?? 0
      used[to] = this.#used[from] ?? 0
      states[to] = state
      to += 1
    }
    this.hand = hand < 0 ? to : hand
    this.#prints = prints
    this.#used = used
    this.#states = states
    this.#end = to
    this.#index.setPrints(this.#queue, prints)
    if (to < moved.length) this.#index.closeUp(this.#queue, moved, to)
  }
}

/** Where a copy of a table puts the entry of each position; of one table at a time. */
const MOVED = new Uint16Array(ENTRIES_MAX)

/** A size as the table counts it: a multiple of 4 KiB, one at least, 2 TiB at most. */
function unitsOf(bytes: number): number {
  return Math.min(UNITS_MAX, Math.max(1, Math.ceil(bytes / UNIT_BYTES)))
}
