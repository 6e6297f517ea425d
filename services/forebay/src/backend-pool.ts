import type { Backend } from '@forebay/backend-port/backend'
import { withProgressTimeout } from '@forebay/backend-port/with-progress-timeout'
import { resolveRegion } from '@forebay/backend-s3/vendor-region'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Settings } from '@forebay/config/schema'
import {
  type BackendBinding,
  type BackendProvider,
  type BucketRecord,
  formatBucket,
} from '@forebay/model/bucket'
import { type Account, openAccount } from './open-account.ts'

/** What the pool puts around every backend: limits, deadlines, retries, counting. */
export type Wrap = (backend: Backend, binding: BackendBinding) => Backend

export interface BackendPoolOptions {
  readonly settings: Settings
  readonly nodeId: string
  readonly clock: Clock
  readonly wrap: Wrap
  /** @throws Failure `backend-is-self` for an endpoint that is one of our own listeners */
  readonly checkEndpoint: (endpoint: string | undefined) => Promise<void>
}

/** What to look at when a bucket is not where it was said to be. */
const HINTS: Readonly<Record<BackendProvider, string>> = {
  aws: 'check the name, --origin-endpoint, --region and --profile',
  gcp: 'check the name and backends.gcp',
  azure: 'check the name of the container and backends.azure',
  http: 'check the URL',
  memory: 'check the name',
}

/** Providers in whose configured account a bucket can be looked up by its name. */
export type LookupProvider = Settings['buckets']['lookup'][number]

/**
 * The backends of all buckets. Buckets of one endpoint, region and profile share an account: its
 * connections and credentials.
 */
export class BackendPool {
  readonly #options: BackendPoolOptions
  readonly #accounts = new Map<string, Account>()
  readonly #backends = new WeakMap<BucketRecord, Backend>()
  #vendorRegion: string | undefined

  constructor(options: BackendPoolOptions) {
    this.#options = options
  }

  /** Finds out what the vendor's chain says about the region; call once before the first request. */
  async open(): Promise<void> {
    const { aws, gcp, azure } = this.#options.settings.backends
    this.#vendorRegion = aws.region ?? (await resolveRegion(aws.profile))
    for (const { endpoint } of [aws, gcp, azure]) await this.#options.checkEndpoint(endpoint)
    // A wrong entry of backends.http.allow shows at the start.
    this.#accountOf({ provider: 'http', bucket: '' })
  }

  /** @throws Failure `bucket-not-remote` for a native bucket */
  backendOf(bucket: BucketRecord): Backend {
    const known = this.#backends.get(bucket)
    if (known !== undefined) return known
    const binding = bucket.backend
    if (binding === undefined) {
      throw new Failure('bucket-not-remote', `${formatBucket(bucket.ref)} has no backend`)
    }
    const backend = this.#options.wrap(this.#accountOf(binding).bucket(binding.bucket), binding)
    this.#backends.set(bucket, backend)
    return backend
  }

  /** The bucket of this name in the configured account; nothing when there is none, or it is not ours. */
  async lookup(
    provider: LookupProvider,
    name: string,
    signal: AbortSignal,
  ): Promise<BackendBinding | undefined> {
    const binding: BackendBinding = { provider, bucket: name }
    const isThere = await this.#isThere(this.#accountOf(binding), binding, signal)
    return isThere ? binding : undefined
  }

  /**
   * An account that no bucket has yet is closed again, so that none is kept of a bucket that never
   * comes to be.
   *
   * @throws Failure `bucket-not-found` | `backend-*` when the bucket at the backend cannot be used
   */
  async check(binding: BackendBinding, signal: AbortSignal): Promise<void> {
    const { provider, bucket, endpoint } = binding
    await this.#options.checkEndpoint(provider === 'http' ? bucket : endpoint)
    const known = this.#accounts.get(idOf(binding))
    const account = known ?? this.#open(binding)
    try {
      if (await this.#isThere(account, binding, signal)) return
    } finally {
      if (known === undefined) await account.close()
    }
    throw new Failure('bucket-not-found', `the backend has no bucket "${binding.bucket}"`, {
      hint: HINTS[provider],
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map((account) => account.close()))
  }

  #accountOf(binding: BackendBinding): Account {
    const id = idOf(binding)
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    const account = this.#open(binding)
    this.#accounts.set(id, account)
    return account
  }

  /** Within the time for an answer, but not counted: metrics by names that callers invent have no end. */
  async #isThere(account: Account, binding: BackendBinding, signal: AbortSignal): Promise<boolean> {
    const { settings, clock } = this.#options
    const { progressTimeoutMs: ms } = settings.backends.limits
    const timeouts = { answerMs: ms, chunkMs: ms, clock }
    const backend = withProgressTimeout(account.bucket(binding.bucket), timeouts)
    return (await backend.headBucket({ signal })) !== undefined
  }

  #open(binding: BackendBinding): Account {
    const { settings, nodeId, clock } = this.#options
    return openAccount(binding, { settings, nodeId, clock, vendorRegion: this.#vendorRegion })
  }
}

/** Buckets with the same have one account. */
function idOf({ provider, endpoint, region, profile, forcePathStyle }: BackendBinding): string {
  return JSON.stringify([provider, endpoint, region, profile, forcePathStyle])
}
