/** What is told of the inventory of a bucket. */
export interface InventoryFacts {
  readonly objects: number
  readonly bytes: number
  /** Wall clock when its list was begun, ms. */
  readonly asOfMs: number
  /** Of its files on disk. */
  readonly fileBytes: number
  /** Keys that changed since. */
  readonly changedKeys: number
  /** Older, it is listed from no longer, ms. */
  readonly maxAgeMs: number
  /** Lists come from it, where the bucket or the request wants them to; otherwise it is old or lost count of what changed. */
  readonly isUsable: boolean
}

/** Snapshots of what buckets list, on this node. */
export interface InventoryPort {
  /** `undefined`: the bucket has none. */
  factsOf(bucketId: number): InventoryFacts | undefined
  /** Removes it, and what is being made of the next one; lists come from the store then. */
  drop(bucketId: number): Promise<void>
}
