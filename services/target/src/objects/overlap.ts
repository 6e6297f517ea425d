/**
 * Tells writers of one key whether another write was under way at any time since they began
 * (rule 15). A write that overlapped cannot know from its own answer which version the backend kept.
 */
export class OverlapWatch {
  readonly #keys = new Map<string, Set<{ overlapped: boolean }>>()

  begin(keyId: string): OverlapTicket {
    const mine = { overlapped: false }
    const others = this.#keys.get(keyId)
    if (others === undefined) {
      this.#keys.set(keyId, new Set([mine]))
    } else {
      for (const other of others) other.overlapped = true
      mine.overlapped = true
      others.add(mine)
    }
    return {
      overlapped: () => mine.overlapped,
      end: () => {
        const group = this.#keys.get(keyId)
        group?.delete(mine)
        if (group?.size === 0) this.#keys.delete(keyId)
      },
    }
  }
}

export interface OverlapTicket {
  overlapped(): boolean
  /** Idempotent. */
  end(): void
}
