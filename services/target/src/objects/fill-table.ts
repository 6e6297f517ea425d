import { abortable } from './abortable.ts'
import { ConnectionShare } from './connection-share.ts'
import type { Fill } from './fill.ts'

/** What opening a cold object came to. */
export type Opened = { readonly kind: 'fill'; readonly fill: Fill } | { readonly kind: 'absent' }

/** Objects that are made whole in the background at a time, by one connection each. */
const BACKGROUND_FILLS_MAX = 4

/** How long who comes next waits for the cache before he joins the fill, ms; it takes one or two. */
const PUBLICATION_WAIT_MS_MAX = 500

/**
 * The fills under way, at most one that can be joined per key, and the openings that precede them:
 * readers of one absent object wait for the same first answer of the backend.
 */
export class FillTable {
  /** Connections beyond the one that each fill needs. */
  readonly share = new ConnectionShare()
  /** Fills that go on for nobody until they are whole. */
  readonly background = new ConnectionShare(BACKGROUND_FILLS_MAX)
  readonly #fills = new Map<string, Fill>()
  /** Also those that nobody may join any more. */
  readonly #active = new Set<Fill>()
  readonly #openings = new Map<string, Promise<Opened>>()

  get(keyId: string): Fill | undefined {
    const fill = this.#fills.get(keyId)
    return fill?.joinable === true ? fill : undefined
  }

  /**
   * Where the readers of a key have all of it, and the cache has not yet: waits for that to be decided,
   * though not for a disk that hangs.
   *
   * @returns false when there was nothing to wait for, or it took too long
   */
  async publication(keyId: string, signal?: AbortSignal): Promise<boolean> {
    const publishing = this.#fills.get(keyId)?.publishing
    if (publishing === undefined) return false
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<boolean>((resolve) => {
      timer = setTimeout(resolve, PUBLICATION_WAIT_MS_MAX, false)
    })
    const decided = Promise.race([publishing.then(() => true), late])
    try {
      return await (signal === undefined ? decided : abortable(decided, signal))
    } finally {
      clearTimeout(timer)
    }
  }

  /** Where all of a key is in a file: waits until the cache has it, or never will, however long it takes. */
  async completion(keyId: string, signal: AbortSignal): Promise<void> {
    const completing = this.#fills.get(keyId)?.completing
    if (completing !== undefined) await abortable(completing, signal)
  }

  /** An opening under way that later readers may share. */
  opening(keyId: string): Promise<Opened> | undefined {
    return this.#openings.get(keyId)
  }

  /** Runs `open` as the key's opening; readers that come meanwhile share its result. */
  open(keyId: string, open: () => Promise<Opened>): Promise<Opened> {
    const opening = open().finally(() => {
      if (this.#openings.get(keyId) === opening) this.#openings.delete(keyId)
    })
    this.#openings.set(keyId, opening)
    // Who waits for the opening joins in the turn in which it resolves; all may have left before.
    opening.then(
      (opened) => {
        if (opened.kind === 'fill') setImmediate(() => opened.fill.endIfUnused())
      },
      () => undefined,
    )
    return opening
  }

  /** Later readers start anew: neither a fill nor an opening of before is joined (rule 5). */
  forget(keyId: string): void {
    this.#fills.delete(keyId)
    this.#openings.delete(keyId)
  }

  /** Takes a fill in until `remove`; later readers join it when it is of the key's generation. */
  register(keyId: string, fill: Fill): void {
    this.#active.add(fill)
    if (fill.joinable) this.#fills.set(keyId, fill)
  }

  remove(keyId: string, fill: Fill): void {
    this.#active.delete(fill)
    if (this.#fills.get(keyId) === fill) this.#fills.delete(keyId)
  }

  /** The keys that have a fill or an opening which may be joined. */
  keyIds(): Iterable<string> {
    return [...this.#fills.keys(), ...this.#openings.keys()]
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** Ends all fills, as at shutdown; resolves when what was complete is in the cache. */
  async cancelAll(reason: unknown): Promise<void> {
    for (const fill of this.#active) if (fill.publishing === undefined) fill.cancel(reason)
    await this.published()
  }

  /** Resolves when no object is complete and not in the cache. */
  async published(): Promise<void> {
    await Promise.all([...this.#active].map((fill) => fill.publishing))
  }
}
