import type { Backend, UploadBody } from '@forebay/backend-port/backend'
import { intercept } from '@forebay/backend-port/intercept'
import { Failure, isFailure } from '@forebay/base/failure'
import { type Connection, credentialsOf, openConnection, type S3Options } from './connection.ts'
import type { Place } from './read-object.ts'
import type { VendorCredentials } from './vendor-credentials.ts'

/** Regions that one account goes to; Amazon has some forty. */
export const REGIONS_MAX = 64

/** Buckets of one account of which it is remembered where they are; the oldest is forgotten. */
export const BUCKETS_MAX = 10_000

/**
 * The connections of one account: that of the region it was opened with, and those of other regions
 * in which buckets turned out to be. What a store says about a bucket's region is remembered until
 * the account is closed.
 */
export class Regions {
  readonly home: Connection
  readonly credentials: VendorCredentials
  readonly #options: S3Options
  readonly #byRegion = new Map<string, Connection>()
  readonly #byBucket = new Map<string, Connection>()
  /** Buckets that answered from where they were asked. */
  readonly #sure = new Set<string>()

  constructor(options: S3Options) {
    this.#options = options
    this.credentials = credentialsOf(options)
    this.home = openConnection(options, this.credentials)
    this.#byRegion.set(options.region, this.home)
  }

  /** The bucket, reached through the connection that is known to be right for it. */
  placeOf(bucket: string): Place {
    const regions = this
    return {
      bucket,
      get connection() {
        return regions.#byBucket.get(bucket) ?? regions.home
      },
    }
  }

  /**
   * Takes in what a failure says about where the bucket is.
   *
   * @returns true when it is elsewhere than where it was asked: asking again may help
   */
  learn(bucket: string, error: unknown): boolean {
    const region = isFailure(error) ? error.facts['bucketRegion'] : undefined
    if (typeof region !== 'string') return false
    const asked = this.#byBucket.get(bucket) ?? this.home
    if (asked.region === region) return false
    const known = this.#byRegion.get(region)
    if (known === undefined && this.#byRegion.size >= REGIONS_MAX) return false
    const connection = known ?? openConnection({ ...this.#options, region }, this.credentials)
    this.#byRegion.set(region, connection)
    this.#byBucket.set(bucket, connection)
    forgetOldest(this.#byBucket)
    return true
  }

  confirm(bucket: string): void {
    this.#sure.add(bucket)
    forgetOldest(this.#sure)
  }

  /** True where a body that can be had only once might go to the wrong region: Amazon has many. */
  isUnsure(bucket: string): boolean {
    return this.home.endpoint.hostname.endsWith('.amazonaws.com') && !this.#sure.has(bucket)
  }

  async close(): Promise<void> {
    for (const { sdk, agent } of this.#byRegion.values()) {
      sdk.destroy()
      await agent.destroy()
    }
  }
}

/** A body that can be had only once must come again from the client. */
function replacedMeanwhile(cause: unknown): Failure {
  return new Failure('unavailable', 'the credentials of the backend were replaced meanwhile', {
    cause,
    hint: 'send it again',
    retryAfterSeconds: 1,
  })
}

function forgetOldest(buckets: Map<string, unknown> | Set<string>): void {
  if (buckets.size <= BUCKETS_MAX) return
  const [oldest] = buckets.keys()
  if (oldest !== undefined) buckets.delete(oldest)
}

/**
 * The backend of a bucket that is asked again, once: in the region that its store names, or with the
 * credentials that have replaced those it refuses. A body that can be had only once is not sent before
 * the region is sure.
 */
export function askAgain(
  { regions, bucket }: { readonly regions: Regions; readonly bucket: string },
  backend: Backend,
): Backend {
  async function follow<T>(upload: UploadBody | undefined, run: () => Promise<T>): Promise<T> {
    const { credentials } = regions
    const { generation } = credentials
    let result: T
    try {
      result = await run()
    } catch (error) {
      const isRenewed = await credentials.renewAfter(error, generation)
      if (isRenewed && upload?.repeatable === false) throw replacedMeanwhile(error)
      const mayHelp = isRenewed || regions.learn(bucket, error)
      if (!mayHelp || upload?.repeatable === false) throw error
      result = await run()
    }
    regions.confirm(bucket)
    return result
  }
  return intercept(backend, {
    async run(step, run) {
      const { upload, signal } = step
      if (upload?.repeatable === false && regions.isUnsure(bucket)) {
        await follow(undefined, () => backend.headBucket({ signal })).catch((error: unknown) => {
          // Who may write need not be allowed to ask; where it is wrong the write itself is told.
          if (!isFailure(error, 'backend-denied')) throw error
        })
      }
      return follow(upload, () => run(step))
    },
    read: (step, run) => follow(undefined, () => run(step)),
  })
}
