import { defaultProvider } from '@aws-sdk/credential-provider-node'
import type { Clock } from '@forebay/base/clock'
import { isFailure } from '@forebay/base/failure'
import type { Credentials } from '@forebay/s3/sigv4/sign'

/** Before they end, credentials are fetched anew, ms. */
const RENEW_AHEAD_MS = 5 * 60_000

/** Those that have no end are believed for so long before the chain is asked again, ms. */
const AGE_MAX_MS = 60 * 60_000

/** A store that refuses makes the chain be asked again at most so often, ms: most refusals are no news. */
const RENEW_INTERVAL_MS = 2000

/** Credentials with the time at which they end, where they have one. */
export type Provided = Credentials & { readonly expiration?: Date | undefined }

/** Where credentials come from; asked again, it looks again. */
export type CredentialSource = () => Promise<Provided>

/** The vendor's chain (environment, profiles, roles), which reads its files anew each time. */
export function vendorChain(options: {
  readonly profile?: string | undefined
  readonly region: string
}): CredentialSource {
  const { profile, region } = options
  return () =>
    defaultProvider({
      ignoreCache: true,
      clientConfig: { region },
      ...(profile === undefined ? {} : { profile }),
    })()
}

/** The credentials of one account, kept for as long as the store takes them. */
export class VendorCredentials {
  readonly #source: CredentialSource
  readonly #clock: Clock
  #current: Promise<Provided> | undefined
  #goodUntil = Number.NEGATIVE_INFINITY
  #lookedAt = Number.NEGATIVE_INFINITY
  #generation = 0

  constructor(source: CredentialSource, clock: Clock) {
    this.#source = source
    this.#clock = clock
  }

  /** Raised whenever the chain gave others than before. */
  get generation(): number {
    return this.#generation
  }

  /** @throws what the chain throws when it has none */
  get(): Promise<Provided> {
    if (this.#current === undefined || this.#clock.now() >= this.#goodUntil) {
      this.#current = this.#look(this.#current)
    }
    return this.#current
  }

  /**
   * A store refused what it was sent with credentials of `generation`.
   *
   * @returns true when there are others by now: asking again may help
   */
  async renewAfter(error: unknown, generation: number): Promise<boolean> {
    if (!isFailure(error, 'backend-denied')) return false
    if (generation !== this.#generation) return true
    const now = this.#clock.monotonic()
    if (now - this.#lookedAt >= RENEW_INTERVAL_MS) this.#current = this.#look(this.#current)
    await this.#current?.catch(() => undefined)
    return generation !== this.#generation
  }

  async #look(before: Promise<Provided> | undefined): Promise<Provided> {
    this.#lookedAt = this.#clock.monotonic()
    // Who comes meanwhile waits for the same answer.
    this.#goodUntil = Number.POSITIVE_INFINITY
    const known = await before?.catch(() => undefined)
    try {
      const found = await this.#source()
      if (known !== undefined && !areSame(known, found)) this.#generation += 1
      const now = this.#clock.now()
      const endMs = found.expiration?.getTime() ?? Number.POSITIVE_INFINITY
      // Those that end very soon are used all the same, and asked for again at the next request.
      this.#goodUntil = Math.min(now + AGE_MAX_MS, endMs - RENEW_AHEAD_MS)
      return found
    } catch (error) {
      this.#goodUntil = Number.NEGATIVE_INFINITY
      // What there was may be good still: a store says so if not.
      if (known === undefined || hasEnded(known, this.#clock)) throw error
      this.#goodUntil = this.#clock.now() + RENEW_INTERVAL_MS
      return known
    }
  }
}

function areSame(one: Credentials, other: Credentials): boolean {
  return (
    one.accessKeyId === other.accessKeyId &&
    one.secretAccessKey === other.secretAccessKey &&
    one.sessionToken === other.sessionToken
  )
}

function hasEnded({ expiration }: Provided, clock: Clock): boolean {
  return expiration !== undefined && expiration.getTime() <= clock.now()
}
