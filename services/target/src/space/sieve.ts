import { CHOSEN, EntryTable } from './entry-table.ts'
import type { EvictionPolicy, SavedPolicy } from './eviction-policy.ts'

const VISITED = 1

/**
 * SIEVE (Zhang and others, NSDI 2024): a hand goes over the objects from the oldest to the newest and
 * round again. Whoever was read since it last came by stays where it is; the first who was not goes.
 */
export class SievePolicy implements EvictionPolicy {
  readonly kind = 'sieve'
  readonly #now: () => number
  readonly #table = new EntryTable()

  constructor(nowSeconds: () => number) {
    this.#now = nowSeconds
  }

  get objectCount(): number {
    return this.#table.count
  }

  get memoryBytes(): number {
    return this.#table.memoryBytes
  }

  stored(print: number, bytes: number): void {
    const position = this.#table.find(print)
    if (position < 0) {
      this.#table.append(print, this.#now(), bytes)
      return
    }
    this.#table.setBytes(position, bytes)
    this.touched(print)
  }

  touched(print: number): void {
    const position = this.#table.find(print)
    if (position < 0) return
    this.#table.setUsed(position, this.#now())
    this.#table.setFlags(position, VISITED)
  }

  missed(): void {
    // The hand keeps no memory of what it took.
  }

  removed(print: number): void {
    const position = this.#table.find(print)
    if (position < 0) return
    this.#table.remove(position)
    this.#table.trim()
  }

  has(print: number): boolean {
    return this.#table.find(print) >= 0
  }

  isChosen(print: number): boolean {
    const position = this.#table.find(print)
    return position >= 0 && (this.#table.flagsAt(position) & CHOSEN) !== 0
  }

  replaces(): boolean {
    return true
  }

  idleSince(): number | undefined {
    const position = this.#next()
    return position < 0 ? undefined : this.#table.usedAt(position)
  }

  choose(): number {
    const position = this.#next()
    if (position < 0) return 0
    this.#table.setFlags(position, CHOSEN)
    // From the newest it goes on at the oldest, and does not wait for who comes after.
    this.#table.hand = position + 1 < this.#table.end ? position + 1 : 0
    return this.#table.bytesAt(position)
  }

  forgetChosen(): void {
    this.#table.removeChosen()
  }

  save(): SavedPolicy {
    return { kind: this.kind, queues: [this.#table.save()], facts: [this.#handRank()] }
  }

  load(saved: SavedPolicy): void {
    const [queue, ...others] = saved.queues
    const own = saved.kind === this.kind
    const hand = own && queue !== undefined ? handPrint(queue, saved.facts[0] ?? 0) : undefined
    for (const each of queue === undefined ? others : [queue, ...others]) {
      this.#table.load(each, own ? VISITED : 0)
    }
    const position = hand === undefined ? -1 : this.#table.find(hand)
    if (position >= 0) this.#table.hand = position
  }

  /** Moves the hand to who goes next; -1 when all are chosen. */
  #next(): number {
    const table = this.#table
    // Twice round: the first clears the marks, the second finds one without.
    for (let left = 2 * table.end + 1; left > 0; left--) {
      if (table.hand >= table.end) table.hand = 0
      const { hand } = table
      const flags = table.flagsAt(hand)
      if (table.isLive(hand) && (flags & CHOSEN) === 0) {
        if ((flags & VISITED) === 0) return hand
        table.setFlags(hand, 0)
      }
      table.hand += 1
    }
    return -1
  }

  /** Live entries before the hand. */
  #handRank(): number {
    let rank = 0
    for (let position = 0; position < this.#table.hand; position++) {
      if (this.#table.isLive(position)) rank += 1
    }
    return rank
  }
}

function handPrint(queue: Uint32Array, rank: number): number | undefined {
  return queue[rank * 3]
}
