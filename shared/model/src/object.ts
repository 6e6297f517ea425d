import type { Checksum } from './checksum.ts'
import type { Stamp, Validators } from './version.ts'

/** HTTP headers that a client stores with an object and gets back on every read (S3 API). */
export interface StoredHeaders {
  readonly contentType?: string | undefined
  readonly contentEncoding?: string | undefined
  readonly contentLanguage?: string | undefined
  readonly contentDisposition?: string | undefined
  readonly cacheControl?: string | undefined
  readonly expires?: string | undefined
}

/** User metadata: lower-case names without the `x-amz-meta-` prefix, values as sent. */
export type UserMetadata = Readonly<Record<string, string>>

/** One part of a completed multipart upload, in the order of the object's bytes. */
export interface StoredPart {
  readonly partNumber: number
  readonly sizeBytes: number
  readonly checksum?: Checksum | undefined
}

/** Everything about one version of an object but its bytes. Frozen; a new version is a new value. */
export interface ObjectAttributes {
  readonly sizeBytes: number
  /** As clients see it: without quotes; the backend's own where there is one. */
  readonly etag: string
  /** Milliseconds since 1970; clients see whole seconds. */
  readonly lastModifiedMs: number
  readonly headers: StoredHeaders
  readonly metadata: UserMetadata
  /** Those that a client stated or the backend reported, at most one per algorithm. */
  readonly checksums: readonly Checksum[]
  /** Present when the object was made by a multipart upload whose parts are known. */
  readonly parts?: readonly StoredPart[] | undefined
  /** Parts in the ETag's suffix where the sizes are not known. */
  readonly partCount?: number | undefined
  readonly storageClass?: string | undefined
  /** Present for an object of a bucket with a backend. */
  readonly validators?: Validators | undefined
}

/** One name in a listing. */
export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly etag: string
  readonly lastModifiedMs: number
  readonly storageClass?: string | undefined
  readonly checksumAlgorithm?: string | undefined
  /** Of the checksum; absent where it is not known. */
  readonly checksumKind?: 'whole' | 'composite' | undefined
}

export type { Stamp }
