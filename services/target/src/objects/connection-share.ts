/**
 * Connections of this process that only make large reads faster, beyond the one that each fill needs:
 * with all backends together fewer than one backend's requests, so that other reads find a place.
 */
export const FURTHER_CONNECTIONS_MAX = 128

/** A count that is taken from and given back. */
export class ConnectionShare {
  readonly #max: number
  #taken = 0

  constructor(max: number = FURTHER_CONNECTIONS_MAX) {
    this.#max = max
  }

  get taken(): number {
    return this.#taken
  }

  /** @returns false when there is none left */
  take(): boolean {
    if (this.#taken >= this.#max) return false
    this.#taken += 1
    return true
  }

  give(): void {
    this.#taken -= 1
  }
}
