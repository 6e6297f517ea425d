import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { SingleFlight } from '@forebay/base/single-flight'
import type { BucketTable } from '@forebay/control/bucket-table'
import {
  type BackendBinding,
  type BucketRecord,
  type BucketRef,
  formatBucket,
  type Provider,
} from '@forebay/model/bucket'
import { mayDo, namesOf, type Permission, requirePermission } from '../authentication/authorise.ts'
import type { Identity } from '../authentication/identity.ts'
import { matchNames } from '../authentication/name-pattern.ts'

/** Asks one provider whether it has a bucket; `undefined` when it has none. */
export type BackendLookup = (
  name: string,
  signal: AbortSignal,
) => Promise<BackendBinding | undefined>

/** A provider that is asked for buckets that the table does not have. */
export interface LookupProvider {
  /** Of the bucket that is then made for it. */
  readonly provider: Exclude<Provider, 'ais'>
  readonly lookup: BackendLookup
}

export interface BucketResolverOptions {
  readonly table: BucketTable
  /** In the order in which they are asked (setting `buckets.lookup`). */
  readonly providers: readonly LookupProvider[]
  /** With users: names that anybody may bring in (setting `buckets.allow`). */
  readonly allow: readonly string[]
  readonly clock: Clock
  /** How long it is remembered that no provider has a name, ms. */
  readonly negativeTtlMs: number
  /** Absent names remembered at once; 0 remembers none. */
  readonly negativeMax: number
}

/** A bucket as a request names it. */
export interface BucketRequest {
  readonly name: string
  readonly provider?: Provider | undefined
  readonly namespace?: BucketRef['namespace'] | undefined
  /** False: only the table is asked. Default true. */
  readonly lookUp?: boolean | undefined
  readonly identity: Identity
  readonly permission: Permission
}

/** What a provider is asked for at all: names that cannot be read as a path or a query. */
const CAN_BE_AT_A_PROVIDER = /^[A-Za-z0-9][A-Za-z0-9._-]{1,254}$/

/**
 * From the names in requests to rows of the bucket table. What is authorised is the row that the
 * operation then works on.
 */
export class BucketResolver {
  readonly #options: BucketResolverOptions
  readonly #mayBringIn: (name: string) => boolean
  /** Absent names and when that is forgotten, oldest first. */
  readonly #absent = new Map<string, number>()
  readonly #lookups = new SingleFlight<BucketRecord | undefined>()

  constructor(options: BucketResolverOptions) {
    this.#options = options
    this.#mayBringIn = matchNames(options.allow)
  }

  /**
   * The bucket, when it is in the table and the caller may do this to it; costs a map access.
   *
   * @returns `undefined` when the table does not have it
   * @throws Failure `access-denied` | `bucket-ambiguous`
   */
  known(request: BucketRequest): BucketRecord | undefined {
    const { name, provider, namespace, identity, permission } = request
    const record =
      namespace === undefined || isGlobal(namespace)
        ? pick(name, this.#options.table.get(name, provider))
        : this.#options.table.find({ provider: provider ?? 'ais', namespace, name })
    if (record === undefined) return undefined
    if (identity.kind !== 'open') requirePermission(identity, permission, namesOf(record))
    return record
  }

  /**
   * The bucket; brought in from a backend when the table does not have it and a provider does.
   *
   * @throws Failure `bucket-not-found` | `bucket-ambiguous` | `access-denied` | `backend-*`
   */
  async resolve(request: BucketRequest, signal: AbortSignal): Promise<BucketRecord> {
    const known = this.known(request)
    if (known !== undefined) return known
    const { name, identity, permission, namespace } = request
    // Before any provider is asked: who may not use the name learns nothing about it.
    requirePermission(identity, permission, [name])
    const global = namespace === undefined || isGlobal(namespace)
    if (request.lookUp === false || !global || request.provider === 'ais') throw notFound(name)
    if (!CAN_BE_AT_A_PROVIDER.test(name) || !this.#mayLookUp(identity, name)) throw notFound(name)
    const found = await this.#lookUp(name, request.provider, signal)
    if (found === undefined) throw notFound(name)
    requirePermission(identity, permission, namesOf(found))
    return found
  }

  /** Forgets that a name is absent, after somebody made it. */
  forget(name: string): void {
    for (const { provider } of this.#options.providers) this.#absent.delete(`${provider}/${name}`)
  }

  #mayLookUp(identity: Identity, name: string): boolean {
    return identity.kind === 'open' || mayDo(identity, 'admin') || this.#mayBringIn(name)
  }

  async #lookUp(
    name: string,
    wanted: Provider | undefined,
    signal: AbortSignal,
  ): Promise<BucketRecord | undefined> {
    for (const { provider, lookup } of this.#options.providers) {
      if (wanted !== undefined && wanted !== provider) continue
      const id = `${provider}/${name}`
      if (this.#isAbsent(id)) continue
      const found = await this.#lookups.run(
        id,
        (shared) => this.#bringIn({ name, provider, lookup }, shared),
        signal,
      )
      if (found !== undefined) return found
    }
    return undefined
  }

  async #bringIn(
    source: LookupProvider & { readonly name: string },
    signal: AbortSignal,
  ): Promise<BucketRecord | undefined> {
    const { name, provider, lookup } = source
    const backend = await lookup(name, signal)
    if (backend === undefined) {
      this.#rememberAbsent(`${provider}/${name}`)
      return undefined
    }
    const ref: BucketRef = { provider, namespace: { uuid: '', name: '' }, name }
    try {
      return await this.#options.table.create(ref, { backend })
    } catch (error) {
      // Somebody else brought it in meanwhile.
      const existing = isFailure(error, 'bucket-exists') ? this.#options.table.find(ref) : undefined
      if (existing === undefined) throw error
      return existing
    }
  }

  #isAbsent(id: string): boolean {
    const until = this.#absent.get(id)
    if (until === undefined) return false
    if (until > this.#options.clock.monotonic()) return true
    this.#absent.delete(id)
    return false
  }

  #rememberAbsent(id: string): void {
    const { negativeMax, negativeTtlMs, clock } = this.#options
    if (negativeMax === 0) return
    this.#absent.delete(id)
    if (this.#absent.size >= negativeMax) {
      const oldest = this.#absent.keys().next().value
      if (oldest !== undefined) this.#absent.delete(oldest)
    }
    this.#absent.set(id, clock.monotonic() + negativeTtlMs)
  }
}

/**
 * The one bucket that a name means: the one named so at `ais` first, else the only match.
 *
 * @throws Failure `bucket-ambiguous` naming the candidates
 */
function pick(name: string, found: readonly BucketRecord[]): BucketRecord | undefined {
  const first = found[0]
  if (found.length < 2 || first === undefined) return first
  if (first.ref.provider === 'ais' && first.ref.name === name) return first
  const candidates = found.map(({ ref }) => formatBucket(ref)).join(', ')
  throw new Failure('bucket-ambiguous', `"${name}" can mean ${candidates}`, {
    hint: 'Give one of them an alias and use that.',
  })
}

function isGlobal(namespace: BucketRef['namespace']): boolean {
  return namespace.uuid === '' && namespace.name === ''
}

function notFound(name: string): Failure {
  return new Failure('bucket-not-found', 'the specified bucket does not exist', {
    facts: { bucketName: name },
  })
}
