import type { PolicyKind } from '@forebay/model/bucket-properties'

/**
 * Which objects of one bucket on one mountpath are worth keeping. An object is named by its print, 32
 * bits of its key: two objects with one print share their fate, which happens to few in thousands of
 * millions and costs a slightly wrong choice. It outlives the version, so a policy may remember what
 * it gave up.
 *
 * Calls are on the path of every GET: each costs less than a microsecond on average and never waits.
 */
export interface EvictionPolicy {
  readonly kind: PolicyKind
  /** Objects that it knows, with those that are chosen. */
  readonly objectCount: number
  /** Bytes of its typed arrays. */
  readonly memoryBytes: number
  /** The object is in the cache with so many bytes on disk; again when it grew or has a new version. */
  stored(print: number, bytes: number): void
  /** The object was read from the cache. One that is chosen is no longer. */
  touched(print: number): void
  /** The object was asked for and is not in the cache. */
  missed(print: number): void
  /** The object is gone; `evicted`: to make room. */
  removed(print: number, evicted: boolean): void
  has(print: number): boolean
  isChosen(print: number): boolean
  /** True when an object that is absent is worth room that others hold; false: only room that is free. */
  replaces(): boolean
  /** The second of the clock since which what would go next was of no use; undefined: nothing is left. */
  idleSince(): number | undefined
  /** Chooses what goes next. @returns its bytes on disk; 0 when nothing is left to choose */
  choose(): number
  /** Forgets what is chosen and was not removed: the sweep did not find it. */
  forgetChosen(): void
  save(): SavedPolicy
  /** Takes over what another one saved, of whatever kind; for one that is new. */
  load(saved: SavedPolicy): void
}

/** What a policy knows, for a restart, a split, or a successor of another kind. */
export interface SavedPolicy {
  readonly kind: PolicyKind
  /** Queues in order, the first that goes first; three words an entry: print, time of use, state. */
  readonly queues: readonly Uint32Array[]
  /** Whatever else the kind needs. */
  readonly facts: readonly number[]
}
