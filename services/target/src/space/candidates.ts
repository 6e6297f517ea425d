import { CHOSEN, type EntryTable } from './entry-table.ts'

/** Share of the entries that one pass collects: a pass costs a few nanoseconds an entry. */
const COLLECTED_SHARE = 1 / 16
const COLLECTED_MIN = 32

/** Classes of time by which a pass finds where the share ends. */
const BINS = 1024

/** Which end of the times of use goes first. */
export type UseOrder = 'oldest' | 'newest'

/**
 * The entries of a table in the order of their use, a share at a time: one pass over the table finds
 * the next few, in place of a list that every use would have to re-link.
 */
export class Candidates {
  #order: UseOrder = 'oldest'
  #prints = new Uint32Array(0)
  #times = new Uint32Array(0)
  #at = 0

  get memoryBytes(): number {
    return this.#prints.byteLength + this.#times.byteLength
  }

  /** Position of the next entry that is not chosen yet; -1 when none is left. */
  next(table: EntryTable, order: UseOrder): number {
    if (order !== this.#order) this.clear()
    this.#order = order
    for (;;) {
      for (; this.#at < this.#prints.length; this.#at++) {
        const position = table.find(this.#prints[this.#at] ?? 0)
        if (position < 0 || (table.flagsAt(position) & CHOSEN) !== 0) continue
        // Used since it was collected: it is not the next any more.
        if (table.usedAt(position) === this.#times[this.#at]) return position
      }
      if (!this.#collect(table)) return -1
    }
  }

  clear(): void {
    this.#prints = new Uint32Array(0)
    this.#times = new Uint32Array(0)
    this.#at = 0
  }

  #collect(table: EntryTable): boolean {
    const keys = collectKeys(table, this.#order)
    const { length } = keys
    this.#prints = new Uint32Array(length)
    this.#times = new Uint32Array(length)
    this.#at = 0
    keys.sort()
    keys.forEach((key, at) => {
      const position = key % table.end
      const to = this.#order === 'oldest' ? at : length - 1 - at
      this.#prints[to] = table.printAt(position)
      this.#times[to] = table.usedAt(position)
    })
    return length > 0
  }
}

/** Time and position of the first few entries in one number each, so that they sort without a comparison of ours. */
function collectKeys(table: EntryTable, order: UseOrder): Float64Array {
  const { end } = table
  let low = Number.POSITIVE_INFINITY
  let high = 0
  let live = 0
  for (let position = 0; position < end; position++) {
    if (!isFree(table, position)) continue
    const time = table.usedAt(position)
    if (time < low) low = time
    if (time > high) high = time
    live += 1
  }
  if (live === 0) return new Float64Array(0)
  const width = Math.ceil((high - low + 1) / BINS)
  const binOf = (position: number): number => {
    const bin = Math.floor((table.usedAt(position) - low) / width)
    return order === 'oldest' ? bin : BINS - 1 - bin
  }
  const counts = new Uint32Array(BINS)
  for (let position = 0; position < end; position++) {
    if (isFree(table, position)) counts[binOf(position)] = (counts[binOf(position)] ?? 0) + 1
  }
  const wanted = Math.max(COLLECTED_MIN, Math.ceil(live * COLLECTED_SHARE))
  let last = 0
  let counted = counts[0] ?? 0
  for (; counted < wanted && last < BINS - 1; counted += counts[last] ?? 0) last += 1
  // Of what was used in one second as many as are wanted will do, in the order in which they came.
  const before = counted - (counts[last] ?? 0)
  let leftOfLast = width === 1 ? Math.min(wanted, counted) - before : counted - before
  const keys = new Float64Array(before + leftOfLast)
  let taken = 0
  for (let position = 0; position < end && taken < keys.length; position++) {
    if (!isFree(table, position)) continue
    const bin = binOf(position)
    if (bin > last || (bin === last && leftOfLast === 0)) continue
    if (bin === last) leftOfLast -= 1
    keys[taken] = table.usedAt(position) * end + position
    taken += 1
  }
  return keys
}

function isFree(table: EntryTable, position: number): boolean {
  return table.isLive(position) && (table.flagsAt(position) & CHOSEN) === 0
}
