import { Candidates } from './candidates.ts'
import { CHOSEN, EntryTable } from './entry-table.ts'
import type { EvictionPolicy, SavedPolicy } from './eviction-policy.ts'
import { ReuseSampler } from './reuse-sampler.ts'

/** A pause of the bucket counts as no longer than this, seconds: a night without training ages nothing. */
const PAUSE_MAX_SECONDS = 60

/** What was not used for this many times the longest interval belongs to another data set. */
const STALE_INTERVALS = 2

/** Nothing is stale before, seconds of activity. */
const STALE_SECONDS_MIN = 600

/**
 * For loops over a data set that is larger than the cache. Who reads everything once a round gains the
 * most from a part of it that stays: what is in stays in, and what is absent gets only room that is
 * free. An object makes way when it was left out for two rounds, as after a change of the data set;
 * if room must be made before, the one used last goes first, for its next use is the farthest.
 */
export class EpochPolicy implements EvictionPolicy {
  readonly kind = 'epoch'
  readonly #now: () => number
  readonly #table = new EntryTable()
  readonly #oldest = new Candidates()
  readonly #newest = new Candidates()
  readonly #reuse = new ReuseSampler()
  /** Seconds in which the bucket was in use: the time of entries. */
  #tick: number
  #usedAtSecond: number
  /** No entry was used before. */
  #usedSince = 0

  constructor(nowSeconds: () => number) {
    this.#now = nowSeconds
    this.#usedAtSecond = nowSeconds()
    this.#tick = this.#usedAtSecond
  }

  get objectCount(): number {
    return this.#table.count
  }

  get memoryBytes(): number {
    const candidates = this.#oldest.memoryBytes + this.#newest.memoryBytes
    return this.#table.memoryBytes + candidates + this.#reuse.memoryBytes
  }

  stored(print: number, bytes: number): void {
    const tick = this.#advance()
    const position = this.#table.find(print)
    if (position < 0) {
      this.#table.append(print, tick, bytes)
      return
    }
    this.#table.setBytes(position, bytes)
    this.#use(position, tick)
  }

  touched(print: number): void {
    const tick = this.#advance()
    this.#reuse.note(print, tick)
    const position = this.#table.find(print)
    if (position >= 0) this.#use(position, tick)
  }

  missed(print: number): void {
    this.#reuse.note(print, this.#advance())
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
    return this.#stale() >= 0
  }

  /** A member that is not stale is of use once an interval, whenever its last use was. */
  idleSince(): number | undefined {
    const stale = this.#stale()
    if (stale >= 0) return this.#now() - (this.#tick - this.#table.usedAt(stale))
    if (this.#newest.next(this.#table, 'newest') < 0) return undefined
    return Math.min(this.#usedAtSecond, this.#now() - (this.#reuse.longest ?? 0) / 2)
  }

  choose(): number {
    const stale = this.#stale()
    const position = stale >= 0 ? stale : this.#newest.next(this.#table, 'newest')
    if (position < 0) return 0
    this.#table.setFlags(position, CHOSEN)
    return this.#table.bytesAt(position)
  }

  forgetChosen(): void {
    this.#table.removeChosen()
  }

  save(): SavedPolicy {
    const facts = [this.#tick, ...this.#reuse.save()]
    return { kind: this.kind, queues: [this.#table.save()], facts }
  }

  /** What another kind saved has times of the clock, which ticks never run ahead of. */
  load(saved: SavedPolicy): void {
    const [tick, ...reuse] = saved.facts
    if (saved.kind === this.kind && tick !== undefined) {
      this.#tick = tick
      this.#reuse.load(reuse)
    }
    for (const queue of saved.queues) this.#table.load(queue, 0)
    this.#usedSince = 0
    this.#oldest.clear()
    this.#newest.clear()
  }

  #use(position: number, tick: number): void {
    this.#table.setUsed(position, tick)
    this.#table.setFlags(position, 0)
  }

  #advance(): number {
    const second = this.#now()
    if (second > this.#usedAtSecond) {
      this.#tick += Math.min(second - this.#usedAtSecond, PAUSE_MAX_SECONDS)
      this.#usedAtSecond = second
    }
    return this.#tick
  }

  /** Position of the entry that is stale for the longest time; -1 when none is. */
  #stale(): number {
    const interval = this.#reuse.longest
    if (interval === undefined) return -1
    const limit = this.#tick - Math.max(STALE_SECONDS_MIN, STALE_INTERVALS * interval)
    if (this.#usedSince > limit) return -1
    const position = this.#oldest.next(this.#table, 'oldest')
    if (position < 0) return -1
    const used = this.#table.usedAt(position)
    if (used <= limit) return position
    this.#usedSince = used
    return -1
  }
}
