import type { ObjectRecord } from './contract.ts'

/** Decoded records that stay in memory, about 1 KiB each. */
export const RECORDS_CACHED_MAX = 32_768

/**
 * Recently used records. Two generations instead of a list: a hit on the young one, which is almost
 * every hit, moves nothing.
 */
export class RecordCache {
  readonly #generationMax: number
  #young = new Map<string, ObjectRecord>()
  #old = new Map<string, ObjectRecord>()

  constructor(recordsMax = RECORDS_CACHED_MAX) {
    this.#generationMax = Math.max(1, Math.floor(recordsMax / 2))
  }

  get(name: string): ObjectRecord | undefined {
    const young = this.#young.get(name)
    if (young !== undefined) return young
    const old = this.#old.get(name)
    if (old !== undefined) this.set(name, old)
    return old
  }

  set(name: string, record: ObjectRecord): void {
    if (this.#young.size >= this.#generationMax && !this.#young.has(name)) {
      this.#old = this.#young
      this.#young = new Map()
    }
    this.#young.set(name, record)
  }

  delete(name: string): void {
    this.#young.delete(name)
    this.#old.delete(name)
  }

  clear(): void {
    this.#young.clear()
    this.#old.clear()
  }
}
