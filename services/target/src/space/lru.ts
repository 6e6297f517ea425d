import { Candidates } from './candidates.ts'
import { CHOSEN, EntryTable } from './entry-table.ts'
import type { EvictionPolicy, SavedPolicy } from './eviction-policy.ts'

/** Least recently used: what was not read for the longest time goes first. */
export class LruPolicy implements EvictionPolicy {
  readonly kind = 'lru'
  readonly #now: () => number
  readonly #table = new EntryTable()
  readonly #candidates = new Candidates()

  /** @param nowSeconds wall clock; only differences matter, across restarts too */
  constructor(nowSeconds: () => number) {
    this.#now = nowSeconds
  }

  get objectCount(): number {
    return this.#table.count
  }

  get memoryBytes(): number {
    return this.#table.memoryBytes + this.#candidates.memoryBytes
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
    this.#table.setFlags(position, 0)
  }

  missed(): void {
    // What is absent is no concern of recency.
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
    const position = this.#candidates.next(this.#table, 'oldest')
    return position < 0 ? undefined : this.#table.usedAt(position)
  }

  choose(): number {
    const position = this.#candidates.next(this.#table, 'oldest')
    if (position < 0) return 0
    this.#table.setFlags(position, CHOSEN)
    return this.#table.bytesAt(position)
  }

  forgetChosen(): void {
    this.#table.removeChosen()
  }

  save(): SavedPolicy {
    return { kind: this.kind, queues: [this.#table.save()], facts: [] }
  }

  load(saved: SavedPolicy): void {
    for (const queue of saved.queues) this.#table.load(queue, 0)
    this.#candidates.clear()
  }
}
