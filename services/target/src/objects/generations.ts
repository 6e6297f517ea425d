/**
 * In-memory generations of the keys that something slow is working on (rule 1).
 *
 * Work that reads from a backend begins with a token; PUT, DELETE, evict and revalidation raise the
 * key. A token of an earlier generation may still feed those who wait for it, but publishes nothing.
 * Keys without open tokens cost no memory: nobody is left who could notice the raise.
 */
export class Generations {
  readonly #keys = new Map<string, { generation: number; holders: number }>()

  begin(keyId: string): GenerationToken {
    const entry = this.#keys.get(keyId) ?? { generation: 0, holders: 0 }
    entry.holders += 1
    this.#keys.set(keyId, entry)
    let { generation } = entry
    let open = true
    return {
      isCurrent: () => open && entry.generation === generation,
      renew: () => {
        generation = entry.generation
      },
      end: () => {
        if (!open) return
        open = false
        entry.holders -= 1
        if (entry.holders === 0) this.#keys.delete(keyId)
      },
    }
  }

  /** Makes every open token of the key out of date. */
  raise(keyId: string): void {
    const entry = this.#keys.get(keyId)
    if (entry !== undefined) entry.generation += 1
  }

  get openCount(): number {
    return this.#keys.size
  }
}

export interface GenerationToken {
  /** False once the key was raised, or the token ended. */
  isCurrent(): boolean
  /** Belongs to the generation of now: for the one who raised the key himself. */
  renew(): void
  /** Gives the token back; idempotent. */
  end(): void
}
