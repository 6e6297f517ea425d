import type { BackendBody } from '@forebay/backend-port/backend'
import { BusyMap, BusySet } from '@forebay/base/busy-map'
import { abortable } from './abortable.ts'
import { ConnectionShare } from './connection-share.ts'
import type { Fill } from './fill.ts'
import type { Gathered } from './gathered.ts'

/** What opening a cold object came to. */
export type Opened =
  | { readonly kind: 'fill'; readonly fill: Fill }
  | { readonly kind: 'gathered'; readonly gathered: Gathered }
  | { readonly kind: 'absent' }

/** A small object whose bytes come. */
export type Arriving = Pick<Gathered, 'keyId' | 'attributes' | 'askedMs' | 'askedAt' | 'retire'>

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
  readonly #openings = new BusyMap<string, Promise<Opened>>()
  /** Keys whose opening somebody waits for who did not cause it. */
  readonly #joined = new Set<string>()
  /** Small objects on their way into memory: the latest of each key, and all; and their bodies. */
  readonly #arriving = new BusyMap<string, Arriving>()
  readonly #coming = new BusySet<Arriving>()
  readonly #gathering = new BusySet<BackendBody>()
  /** Small objects on their way from memory into the cache: the latest of each key, and all. */
  readonly #gathered = new BusyMap<string, Gathered>()
  readonly #storing = new BusySet<Gathered>()
  /** Why nothing is fetched any more. */
  #over: { readonly reason: unknown } | undefined

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
    const publishing = this.gathered(keyId)?.stored ?? this.#fills.get(keyId)?.publishing
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

  /**
   * Where all of a key is there: waits until the cache has it, or never will, however long it takes.
   *
   * @throws Failure why a small object is not kept
   */
  async completion(keyId: string, signal: AbortSignal): Promise<void> {
    const gathered = this.gathered(keyId)
    if (gathered !== undefined) {
      const reason = await abortable(gathered.stored, signal)
      if (reason !== undefined) throw reason
    }
    const completing = this.#fills.get(keyId)?.completing
    if (completing !== undefined) await abortable(completing, signal)
  }

  /** An opening under way that later readers may share. */
  opening(keyId: string): Promise<Opened> | undefined {
    return this.#openings.get(keyId)
  }

  /** The same for a reader who waits for it. */
  join(keyId: string): Promise<Opened> | undefined {
    const opening = this.#openings.get(keyId)
    if (opening !== undefined) this.#joined.add(keyId)
    return opening
  }

  /** True while more than one wait for the object of a key, or read it as it comes. */
  isShared(keyId: string): boolean {
    return this.#joined.has(keyId) || (this.get(keyId)?.readers.count ?? 0) > 1
  }

  /** Runs `open` as the key's opening; readers that come meanwhile share its result. */
  open(keyId: string, open: () => Promise<Opened>): Promise<Opened> {
    const opening = open().finally(() => {
      if (this.#openings.get(keyId) !== opening) return
      this.#openings.delete(keyId)
      this.#joined.delete(keyId)
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

  /** The object of a key that is whole in memory and, as far as anybody knows, the current version. */
  gathered(keyId: string): Gathered | undefined {
    const gathered = this.#gathered.get(keyId)
    return gathered?.isCurrent() === true ? gathered : undefined
  }

  /** A small object of a key whose bytes come, as far as anybody knows of the current version. */
  arriving(keyId: string): Arriving | undefined {
    return this.#arriving.get(keyId)
  }

  /** Runs `gather`, which brings the object into memory. */
  async arrive<T>(arriving: Arriving, gather: () => Promise<T>): Promise<T> {
    const { keyId } = arriving
    this.#arriving.set(keyId, arriving)
    this.#coming.add(arriving)
    try {
      return await gather()
    } finally {
      this.#coming.delete(arriving)
      if (this.#arriving.get(keyId) === arriving) this.#arriving.delete(keyId)
    }
  }

  /** Takes an object in until it is stored. */
  keep(gathered: Gathered): void {
    const { keyId } = gathered
    if (gathered.pin.kind === 'none') this.#outdo(gathered)
    const held = this.gathered(keyId)
    if (held === undefined || held.askedAt <= gathered.askedAt) this.#gathered.set(keyId, gathered)
    this.#storing.add(gathered)
    const end = (): void => {
      this.#storing.delete(gathered)
      if (this.#gathered.get(keyId) === gathered) this.#gathered.delete(keyId)
    }
    gathered.stored.then(end, end)
  }

  /** Of versions that no pin tells apart the one that was asked for last stays. */
  #outdo({ keyId, askedAt }: Gathered): void {
    for (const older of [...this.#coming, ...this.#storing]) {
      if (older.keyId === keyId && older.askedAt < askedAt) older.retire()
    }
  }

  /** Runs `collect`, whose body ends with the table. @throws what it throws, or why the table is over */
  async gathering<T>(body: BackendBody, collect: () => Promise<T>): Promise<T> {
    this.#gathering.add(body)
    try {
      if (this.#over !== undefined) {
        body.discard()
        throw this.#over.reason
      }
      return await collect()
    } catch (error) {
      throw this.#over === undefined ? error : this.#over.reason
    } finally {
      this.#gathering.delete(body)
    }
  }

  /** Later readers start anew: neither a fill nor an opening of before is joined (rule 5). */
  forget(keyId: string): void {
    this.#fills.delete(keyId)
    this.#openings.delete(keyId)
    this.#joined.delete(keyId)
    this.#arriving.delete(keyId)
    this.#gathered.delete(keyId)
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
    return [...this.#fills.keys(), ...this.#openings.keys(), ...this.#gathered.keys()]
  }

  get activeCount(): number {
    return this.#active.size + this.#coming.size + this.#storing.size
  }

  /** Ends all fills, as at shutdown; resolves when what was complete is in the cache. */
  async cancelAll(reason: unknown): Promise<void> {
    this.#over = { reason }
    for (const body of this.#gathering) body.discard()
    for (const fill of this.#active) if (fill.publishing === undefined) fill.cancel(reason)
    await this.published()
  }

  /** Resolves when no object is complete and not in the cache. */
  async published(): Promise<void> {
    const fills = [...this.#active].map((fill) => fill.publishing)
    await Promise.all([...fills, ...[...this.#storing].map(({ stored }) => stored)])
  }
}
