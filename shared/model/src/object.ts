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
  /** Where a website of the bucket would send its visitors; kept and told, never acted on. */
  readonly websiteRedirect?: string | undefined
}

/** User metadata: lower-case names without the `x-amz-meta-` prefix, values as sent. */
export type UserMetadata = Readonly<Record<string, string>>

/** A name and a value that a user hangs on an object or a bucket. */
export interface Tag {
  readonly key: string
  readonly value: string
}

/** Tags in the order in which they were given; every key once. */
export type Tags = readonly Tag[]

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
  /** Of an object of a native bucket. A backend keeps the tags of its objects itself. */
  readonly tags?: Tags | undefined
  /** Tags that the object has at its backend, as far as the backend said. */
  readonly tagCount?: number | undefined
  /**
   * What else the backend's answer said about the object (encryption, expiration), by lower-case names
   * of S3's headers: handed on as it is.
   */
  readonly originHeaders?: Readonly<Record<string, string>> | undefined
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
