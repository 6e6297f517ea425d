import { BusyMap } from '@forebay/base/busy-map'
import type { Pin } from '@forebay/model/version'
import { samePin } from './same-version.ts'

/** What a backend said of a key. */
export interface Heard {
  /** Monotonic clock before it was asked, ms: of two answers the one asked for later is the newer. */
  readonly askedAt: number
  /** The version that it named; undefined when it has none. */
  readonly pin: Pin | undefined
}

/** What is known of a key while somebody works on it. */
interface Entry {
  generation: number
  holders: number
  /** Of this generation, the answer that was asked for last. */
  latest: Heard | undefined
}

/**
 * In-memory generations of the keys that something slow is working on (rule 1).
 *
 * Work that reads from a backend begins with a token; PUT, DELETE, evict and revalidation raise the
 * key. A token of an earlier generation may still feed those who wait for it, but publishes nothing;
 * neither does one whose answer a later question has contradicted.
 * Keys without open tokens cost no memory: nobody is left who could notice the raise.
 */
export class Generations {
  readonly #keys = new BusyMap<string, Entry>()

  begin(keyId: string): GenerationToken {
    const entry = this.#keys.get(keyId) ?? { generation: 0, holders: 0, latest: undefined }
    entry.holders += 1
    this.#keys.set(keyId, entry)
    return new GenerationToken(entry, () => this.#keys.delete(keyId))
  }

  /** Makes every open token of the key out of date. */
  raise(keyId: string): void {
    const entry = this.#keys.get(keyId)
    if (entry === undefined) return
    entry.generation += 1
    entry.latest = undefined
  }

  /** The keys that somebody works on. */
  keyIds(): Iterable<string> {
    return this.#keys.keys()
  }

  get openCount(): number {
    return this.#keys.size
  }
}

/** What work began with; `Generations.begin` gives it. */
export class GenerationToken {
  readonly #entry: Entry
  readonly #forget: () => void
  #generation: number
  #open = true
  #heard: Heard | undefined

  constructor(entry: Entry, forget: () => void) {
    this.#entry = entry
    this.#generation = entry.generation
    this.#forget = forget
  }

  /** False once the key was raised, a later answer named another version, or the token ended. */
  isCurrent(): boolean {
    if (!this.#open || this.#entry.generation !== this.#generation) return false
    return !isOutdated(this.#heard, this.#entry.latest)
  }

  /** What the backend said to the owner of the token. */
  hear(answer: Heard | undefined): void {
    const entry = this.#entry
    this.#heard = answer
    if (entry.generation !== this.#generation || answer === undefined) return
    if (entry.latest === undefined || answer.askedAt >= entry.latest.askedAt) entry.latest = answer
  }

  get heard(): Heard | undefined {
    return this.#heard
  }

  /** Belongs to the generation of now: for the one who raised the key himself. */
  renew(): void {
    this.#generation = this.#entry.generation
  }

  /** Gives the token back; idempotent. */
  end(): void {
    if (!this.#open) return
    this.#open = false
    this.#entry.holders -= 1
    if (this.#entry.holders === 0) this.#forget()
  }
}

/** True when a question asked later was answered with another version; without pins nobody can tell. */
function isOutdated(heard: Heard | undefined, latest: Heard | undefined): boolean {
  if (heard === undefined || latest === undefined || latest.askedAt <= heard.askedAt) return false
  if (heard.pin === undefined || latest.pin === undefined) return heard.pin !== latest.pin
  if (heard.pin.kind === 'none' || latest.pin.kind === 'none') return false
  return !samePin(heard.pin, latest.pin)
}
