<<<<<<< Updated upstream
import { openAzureAccount } from '@forebay/backend-azure/azure-backend'
import { openGcsAccount } from '@forebay/backend-gcs/gcs-backend'
import { openHttpAccount } from '@forebay/backend-http/http-backend'
import type { Backend, BucketInfo, Call } from '@forebay/backend-port/backend'
import { openS3Account } from '@forebay/backend-s3/s3-backend'
=======
import type { Backend } from '@forebay/backend-port/backend'
>>>>>>> Stashed changes
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
export type Wrap = (backend: Backend) => Backend

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
    const backend = this.#options.wrap(this.#accountOf(binding).bucket(binding.bucket))
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
    const found = await this.#accountOf(binding).lookupBucket(name, { signal })
    return found === undefined ? undefined : binding
  }

  /** @throws Failure `bucket-not-found` | `backend-*` when the bucket at the backend cannot be used */
  async check(binding: BackendBinding, signal: AbortSignal): Promise<void> {
    const { provider, bucket, endpoint } = binding
    await this.#options.checkEndpoint(provider === 'http' ? bucket : endpoint)
    const found = await this.#accountOf(binding).lookupBucket(binding.bucket, { signal })
    if (found !== undefined) return
    throw new Failure('bucket-not-found', `the backend has no bucket "${binding.bucket}"`, {
      hint: HINTS[provider],
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map((account) => account.close()))
  }

  #accountOf(binding: BackendBinding): Account {
    const { provider, endpoint, region, profile, forcePathStyle } = binding
    const id = JSON.stringify([provider, endpoint, region, profile, forcePathStyle])
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    const { settings, nodeId, clock } = this.#options
    const vendorRegion = this.#vendorRegion
    const account = openAccount(binding, { settings, nodeId, clock, vendorRegion })
    this.#accounts.set(id, account)
    return account
  }
<<<<<<< Updated upstream

  #openAccount(binding: BackendBinding): Account {
    switch (binding.provider) {
      case 'aws':
        return this.#openS3(binding)
      case 'http':
        return this.#openHttp()
      case 'gcp':
        return this.#openGcs(binding)
      case 'azure':
        return this.#openAzure(binding)
      case 'memory':
        throw new Failure(
          'not-implemented',
          `this node has no backend of provider ${binding.provider}`,
        )
      default:
        return binding.provider satisfies never
    }
  }

  /** One for all web servers: none of them has an account. */
  #openHttp(): Account {
    const { settings, nodeId, clock } = this.#options
    const { http, limits } = settings.backends
    const { connectTimeoutMs } = limits
    return openHttpAccount({ allow: http.allow, nodeId, clock, connectTimeoutMs })
  }

  #openGcs(binding: BackendBinding): Account {
    const { settings, nodeId } = this.#options
    const { gcp, limits } = settings.backends
    const keyFile = binding.profile ?? gcp.credentialsFile
    const stated = gcp.anonymous ? 'anonymous' : keyFile === undefined ? undefined : { keyFile }
    return openGcsAccount({
      endpoint: binding.endpoint ?? gcp.endpoint,
      credentials: stated,
      nodeId,
      connectTimeoutMs: limits.connectTimeoutMs,
    })
  }

  #openAzure(binding: BackendBinding): Account {
    const { settings, nodeId, clock } = this.#options
    const { azure, limits } = settings.backends
    const { key, sasToken } = azure
    const signature = sasToken === undefined ? undefined : { kind: 'sas' as const, token: sasToken }
    return openAzureAccount({
      account: azure.account,
      endpoint: binding.endpoint ?? azure.endpoint,
      foreignEndpoint: binding.endpoint !== undefined && binding.endpoint !== azure.endpoint,
      credentials: key === undefined ? signature : { kind: 'shared-key', key },
      nodeId,
      clock,
      connectTimeoutMs: limits.connectTimeoutMs,
    })
  }

  #openS3(binding: BackendBinding): Account {
    const { settings, nodeId, clock } = this.#options
    const { aws, limits } = settings.backends
    return openS3Account({
      endpoint: binding.endpoint ?? aws.endpoint,
      region: binding.region ?? aws.region ?? this.#vendorRegion ?? 'us-east-1',
      profile: binding.profile ?? aws.profile,
      forcePathStyle: binding.forcePathStyle ?? aws.forcePathStyle,
      nodeId,
      clock,
      connectTimeoutMs: limits.connectTimeoutMs,
      uploadFraming: aws.uploadFraming,
    })
  }
=======
>>>>>>> Stashed changes
}
