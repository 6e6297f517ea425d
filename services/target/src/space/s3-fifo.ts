import { EntryIndex, positionOf, queueOf } from './entry-index.ts'
import { CHOSEN, EntryTable } from './entry-table.ts'
import type { EvictionPolicy, SavedPolicy } from './eviction-policy.ts'
import { Ghosts } from './ghosts.ts'

/** Uses that are counted; 2 bits of an entry's flags. */
const USES_MAX = 3

/** Share of the bytes that new objects get to prove themselves. */
const SMALL_SHARE = 0.1

/** Uses in the small queue after which an object is worth a place in the main one. */
const USES_OF_PROVEN = 1

/**
 * S3-FIFO (Yang and others, SOSP 2023): new objects pass through a small queue and stay only if they
 * are read again meanwhile, or soon after they fell out. A scan goes through the small queue and leaves
 * the main one alone. Shares are counted in bytes.
 */
export class S3FifoPolicy implements EvictionPolicy {
  readonly kind = 's3-fifo'
  readonly #now: () => number
  readonly #index = new EntryIndex()
  readonly #main = new EntryTable(this.#index, 0)
  readonly #small = new EntryTable(this.#index, 1)
  readonly #ghosts = new Ghosts()
  /** Units of what is chosen of the small queue: on its way out. */
  #leavingUnits = 0
  /** Where `#locate` found the last one: a second look would cost as much as the first. */
  #position = -1

  constructor(nowSeconds: () => number) {
    this.#now = nowSeconds
  }

  get objectCount(): number {
    return this.#small.count + this.#main.count
  }

  get memoryBytes(): number {
    const tables = this.#small.columnBytes + this.#main.columnBytes
    return tables + this.#index.memoryBytes + this.#ghosts.memoryBytes
  }

  stored(print: number, bytes: number): void {
    if (this.#locate(print) !== undefined) {
      // A new version or a larger part: as good as a use, which may move it.
      this.touched(print)
      this.#locate(print)?.setBytes(this.#position, bytes)
      return
    }
    const entry = this.#ghosts.take(print) ? this.#main : this.#small
    entry.append(print, this.#now(), bytes)
  }

  touched(print: number): void {
    const table = this.#locate(print)
    if (table === undefined) return
    const position = this.#position
    const flags = table.flagsAt(position)
    table.setUsed(position, this.#now())
    if ((flags & CHOSEN) === 0) {
      table.setFlags(position, Math.min(USES_MAX, flags + 1))
      return
    }
    // It is wanted after all, and its turn in the queue is over.
    this.#unchoose(table, position)
    if (table === this.#main) table.moveToEnd(position)
    else table.moveTo(this.#main, position)
  }

  missed(): void {
    // Ghosts are asked when the object is stored.
  }

  removed(print: number, evicted: boolean): void {
    const table = this.#locate(print)
    if (table === undefined) return
    const position = this.#position
    this.#unchoose(table, position)
    table.remove(position)
    table.trim()
    if (!evicted || table === this.#main) return
    this.#ghosts.fit(this.objectCount)
    this.#ghosts.add(print)
  }

  has(print: number): boolean {
    return this.#locate(print) !== undefined
  }

  isChosen(print: number): boolean {
    const table = this.#locate(print)
    return table !== undefined && (table.flagsAt(this.#position) & CHOSEN) !== 0
  }

  replaces(): boolean {
    return true
  }

  idleSince(): number | undefined {
    const table = this.#advance()
    return table?.usedAt(table.hand)
  }

  choose(): number {
    const table = this.#advance()
    if (table === undefined) return 0
    const { hand } = table
    table.setFlags(hand, CHOSEN)
    if (table === this.#small) this.#leavingUnits += table.unitsAt(hand)
    table.hand += 1
    return table.bytesAt(hand)
  }

  forgetChosen(): void {
    this.#small.removeChosen()
    this.#main.removeChosen()
    this.#leavingUnits = 0
  }

  save(): SavedPolicy {
    const queues = [this.#small.save(), this.#main.save()]
    return { kind: this.kind, queues, facts: this.#ghosts.save() }
  }

  load(saved: SavedPolicy): void {
    const own = saved.kind === this.kind
    // What another policy kept has proved itself there.
    const [first, ...others] = own ? saved.queues : [new Uint32Array(0), ...saved.queues]
    if (first !== undefined) this.#small.load(first, USES_MAX)
    for (const queue of others) this.#main.load(queue, own ? USES_MAX : 0)
    if (own) this.#ghosts.load(saved.facts)
  }

  /** Brings the queues to the point at which the next object goes; the queue whose hand is on it. */
  #advance(): EntryTable | undefined {
    for (;;) {
      const small = skipGone(this.#small)
      const main = skipGone(this.#main)
      if (!small && !main) return undefined
      if (small && (!main || this.#isSmallFull())) {
        const { hand } = this.#small
        if (this.#small.flagsAt(hand) < USES_OF_PROVEN) return this.#small
        this.#small.setFlags(hand, 0)
        this.#small.moveTo(this.#main, hand)
      } else {
        const { hand } = this.#main
        const uses = this.#main.flagsAt(hand)
        if (uses === 0) return this.#main
        this.#main.setFlags(hand, uses - 1)
        this.#main.moveToEnd(hand)
      }
    }
  }

  #isSmallFull(): boolean {
    const units = this.#small.units - this.#leavingUnits
    return units >= (units + this.#main.units) * SMALL_SHARE
  }

  #unchoose(table: EntryTable, position: number): void {
    if ((table.flagsAt(position) & CHOSEN) === 0) return
    if (table === this.#small) this.#leavingUnits -= table.unitsAt(position)
    table.setFlags(position, 0)
  }

  /** The queue that has the object, and its position there in `#position`. */
  #locate(print: number): EntryTable | undefined {
    const place = this.#index.find(print)
    if (place === 0) return undefined
    this.#position = positionOf(place)
    return queueOf(place) === 0 ? this.#main : this.#small
  }
}

/** Moves the hand over holes and what is chosen. @returns false at the end of the queue */
function skipGone(table: EntryTable): boolean {
  while (table.hand < table.end) {
    if (table.isLive(table.hand) && (table.flagsAt(table.hand) & CHOSEN) === 0) return true
    table.hand += 1
  }
  return false
}
