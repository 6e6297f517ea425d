import type { BucketProperties } from './bucket-properties.ts'
import type { BucketS3 } from './bucket-s3.ts'

/** AIStore's provider words; `ais` is a native bucket. */
export type Provider = 'ais' | 'aws' | 'gcp' | 'azure'

/** Identity of a bucket. The global namespace has two empty strings. */
export interface BucketRef {
  readonly provider: Provider
  readonly namespace: { readonly uuid: string; readonly name: string }
  readonly name: string
}

/** Which adapter: `aws` is S3, `http` a directory of a web server, `memory` exists for tests only. */
export type BackendProvider = 'aws' | 'gcp' | 'azure' | 'http' | 'memory'

/** The bucket at a backend that a bucket of ours stands for. */
export interface BackendBinding {
  readonly provider: BackendProvider
  /** Name of the bucket there; at `http` the URL of the directory, with a slash at its end. */
  readonly bucket: string
  /** Overrides of the node's `backends.<provider>.*` settings for this bucket. */
  readonly endpoint?: string | undefined
  readonly region?: string | undefined
  readonly profile?: string | undefined
  readonly forcePathStyle?: boolean | undefined
}

/** A row of the bucket table. Frozen; a change is a new row of a new table version. */
export interface BucketRecord {
  /** Never reused; part of every index key, so a re-created bucket does not see old objects. */
  readonly id: number
  readonly ref: BucketRef
  /** Names under which the S3 door finds the bucket, besides `ref.name`. */
  readonly aliases: readonly string[]
  readonly createdMs: number
  readonly backend?: BackendBinding | undefined
  /** Settings that differ from the defaults of the bucket's kind. */
  readonly properties: Partial<BucketProperties>
  /** Tags and rules that clients of the S3 API gave the bucket; absent for none. */
  readonly s3?: BucketS3 | undefined
}

/** `provider://@uuid#ns/name`, as users write it. */
export function formatBucket(ref: BucketRef): string {
  const { uuid, name } = ref.namespace
  const namespace = uuid === '' && name === '' ? '' : `${uuid === '' ? '' : `@${uuid}`}#${name}/`
  return `${ref.provider}://${namespace}${ref.name}`
}
