/** What may be wrong with what a record stands for. */
export type DamageKind =
  /** No file of the name. */
  | 'missing'
  /** Another file has the name: it was replaced or swapped. */
  | 'wrong-file'
  | 'wrong-size'
  /** The bytes do not match their checksum. */
  | 'wrong-bytes'
  /** The disk cannot read it. */
  | 'unreadable'
  /** A file that no record knows. */
  | 'orphan'

/** What was done about it. */
export type ScrubAction =
  /** The copy was removed: the next read fetches it from the backend. */
  | 'dropped'
  /** The copy was removed and fetched again. */
  | 'fetched-again'
  /** Only the blocks that are wrong were given up. */
  | 'blocks-dropped'
  /** There is no other copy: the object is kept for people to look at, and refused to readers. */
  | 'kept-damaged'
  /** Nothing: it is told, and somebody must look. */
  | 'reported'
  /** It could not be done; the next pass tries again. */
  | 'failed'

/** One thing found. */
export interface ScrubFinding {
  /** `provider://name`, and key; absent for a file that no record knows. */
  readonly bucket?: string | undefined
  readonly key?: string | undefined
  readonly damage: DamageKind
  readonly action: ScrubAction
  /** Absolute path of the file. */
  readonly path: string
  /** Milliseconds since 1970. */
  readonly foundMs: number
}

/** What a pass came to so far. */
export interface ScrubCounts {
  readonly objects: number
  readonly bytes: number
  /** Findings of all kinds. */
  readonly damaged: number
  /** Those that need nobody any more. */
  readonly repaired: number
  /** Objects that had no checksum and have one now. */
  readonly adopted: number
  /** Objects that could not be judged: a disk that did not answer in time, a short supply of descriptors. */
  readonly unchecked: number
  /** Files that no record knows. */
  readonly orphans: number
}

export interface ScrubPass extends ScrubCounts {
  /** `provider://bucket/prefix` of a pass over a part; absent for all. */
  readonly scope?: string | undefined
  readonly startedMs: number
  readonly endedMs?: number | undefined
  /** `stopped`: before its end, by somebody's order. */
  readonly state: 'running' | 'finished' | 'stopped'
}

export interface ScrubStatus {
  readonly state: 'running' | 'idle'
  /** Why a running pass waits just now. */
  readonly waitsFor?: string | undefined
  /** The pass under way, else the last one. */
  readonly pass?: ScrubPass | undefined
  /** The last pass over everything that came to its end. */
  readonly lastWhole?: ScrubPass | undefined
  /** Of a running pass: what there is to do, as the index counts it, and how long that may take. */
  readonly totalObjects?: number | undefined
  readonly totalBytes?: number | undefined
  readonly bytesPerSecond?: number | undefined
  readonly remainingSeconds?: number | undefined
  /** Milliseconds since 1970 when the next pass begins by itself; absent when never. */
  readonly nextMs?: number | undefined
  /** The first of what was found by the last pass; `pass.damaged` counts all. */
  readonly findings: readonly ScrubFinding[]
}

export interface ScrubOrder {
  /** Only this bucket, and of it the keys that begin with `prefix`. */
  readonly scope?: { readonly bucketId: number; readonly prefix: string } | undefined
  /** Bytes a second instead of the setting; 0 = as fast as the disks and users allow. */
  readonly bytesPerSecond?: number | undefined
  /**
   * Goes on with a pass over the same that was held, or cut off by the end of the process, if it began
   * then or later: milliseconds since 1970.
   */
  readonly goOnSinceMs?: number | undefined
}

/** What a door may ask of the scrub of a node. */
export interface ScrubPort {
  /**
   * Begins a pass. Where one over the same is under way that one goes on, at the rate that is ordered.
   *
   * @throws Failure `object-busy` when one over something else is under way
   */
  start(order: ScrubOrder): ScrubStatus
  /** Ends the pass under way; resolves when nothing of it is. */
  stop(): Promise<ScrubStatus>
  /** Ends the pass under way for now: an order to go on finds its place, also after a restart. */
  hold(): Promise<void>
  status(): ScrubStatus
}
