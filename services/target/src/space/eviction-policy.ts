/**
 * Which objects are worth keeping. Versions are named by their stamp counter. Calls are on the path
 * of every GET: they must cost nanoseconds and never wait.
 */
export interface EvictionPolicy {
  /** A version was stored. */
  admitted(counter: number): void
  /** A version was used. */
  touched(counter: number): void
  /** A version is gone. */
  removed(counter: number): void
  /** Lower goes first. A version that the policy does not know has rank 0. */
  rank(counter: number): number
  /** What a restart should know, roughly. */
  save(): Uint8Array
  load(saved: Uint8Array): void
}
