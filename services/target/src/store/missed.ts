import type { ObjectRecord } from './contract.ts'

/** A version that was replaced or removed while its mountpath was not in service. */
export interface MissedRemoval {
  readonly record: ObjectRecord
  /** The counter of the act that took it away. */
  readonly sequence: number
}

/**
 * What a mountpath that is being taken back has to be told. Nothing is kept of one that is simply
 * away: the index says at its return what stands.
 */
export class Missed {
  readonly #returning = new Map<number, MissedRemoval[]>()

  /** From now on removals from this mountpath are kept. */
  begin(mountpath: number): void {
    this.#returning.set(mountpath, [])
  }

  end(mountpath: number): void {
    this.#returning.delete(mountpath)
  }

  /** A version lost its place, and its mountpath is not in service. */
  removed(record: ObjectRecord, sequence: number): void {
    this.#returning.get(record.location.mountpath)?.push({ record, sequence })
  }

  /** What was kept since the last call. */
  take(mountpath: number): readonly MissedRemoval[] {
    return this.#returning.get(mountpath)?.splice(0) ?? []
  }
}
