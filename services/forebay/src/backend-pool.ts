import type { Backend } from '@forebay/backend-port/backend'
import { openS3Account, type S3Account } from '@forebay/backend-s3/s3-backend'
import { resolveRegion } from '@forebay/backend-s3/vendor-region'
import type { Clock } from '@forebay/base/clock'
import { Failure } from '@forebay/base/failure'
import type { Settings } from '@forebay/config/schema'
import { type BackendBinding, type BucketRecord, formatBucket } from '@forebay/model/bucket'

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

/**
 * The backends of all buckets. Buckets of one endpoint, region and profile share an account: its
 * connections and credentials.
 */
export class BackendPool {
  readonly #options: BackendPoolOptions
  readonly #accounts = new Map<string, S3Account>()
  readonly #backends = new WeakMap<BucketRecord, Backend>()
  #vendorRegion: string | undefined

  constructor(options: BackendPoolOptions) {
    this.#options = options
  }

  /** Finds out what the vendor's chain says about the region; call once before the first request. */
  async open(): Promise<void> {
    const { profile, region } = this.#options.settings.backends.aws
    this.#vendorRegion = region ?? (await resolveRegion(profile))
    await this.#options.checkEndpoint(this.#options.settings.backends.aws.endpoint)
  }

  /** @throws Failure `bucket-not-remote` for a native bucket */
  backendOf(bucket: BucketRecord): Backend {
    const known = this.#backends.get(bucket)
    if (known !== undefined) return known
    const binding = bucket.backend
    if (binding === undefined || binding.provider !== 'aws') {
      throw new Failure(
        'bucket-not-remote',
        `${formatBucket(bucket.ref)} has no backend that this node can use`,
      )
    }
    const backend = this.#options.wrap(this.#accountOf(binding).bucket(binding.bucket))
    this.#backends.set(bucket, backend)
    return backend
  }

  /** The bucket of this name in the configured account; nothing when there is none, or it is not ours. */
  async lookup(name: string, signal: AbortSignal): Promise<BackendBinding | undefined> {
    const binding: BackendBinding = { provider: 'aws', bucket: name }
    const found = await this.#accountOf(binding).lookupBucket(name, { signal })
    return found === undefined ? undefined : binding
  }

  /** @throws Failure `bucket-not-found` | `backend-*` when the bucket at the backend cannot be used */
  async check(binding: BackendBinding, signal: AbortSignal): Promise<void> {
    await this.#options.checkEndpoint(binding.endpoint)
    const found = await this.#accountOf(binding).lookupBucket(binding.bucket, { signal })
    if (found !== undefined) return
    throw new Failure('bucket-not-found', `the backend has no bucket "${binding.bucket}"`, {
      hint: 'check the name, --origin-endpoint, --region and --profile',
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#accounts.values()].map((account) => account.close()))
  }

  #accountOf(binding: BackendBinding): S3Account {
    const { aws, limits } = this.#options.settings.backends
    const endpoint = binding.endpoint ?? aws.endpoint
    const region = binding.region ?? aws.region ?? this.#vendorRegion ?? 'us-east-1'
    const profile = binding.profile ?? aws.profile
    const forcePathStyle = binding.forcePathStyle ?? aws.forcePathStyle
    const id = JSON.stringify([endpoint, region, profile, forcePathStyle])
    const known = this.#accounts.get(id)
    if (known !== undefined) return known
    const account = openS3Account({
      endpoint,
      region,
      profile,
      forcePathStyle,
      nodeId: this.#options.nodeId,
      clock: this.#options.clock,
      connectTimeoutMs: limits.connectTimeoutMs,
      uploadFraming: aws.uploadFraming,
    })
    this.#accounts.set(id, account)
    return account
  }
}
