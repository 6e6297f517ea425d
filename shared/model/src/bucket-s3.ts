import type { Tags } from './object.ts'

/** Methods that a rule of cross-origin requests can allow (S3 API). */
export const CORS_METHODS = ['GET', 'PUT', 'HEAD', 'POST', 'DELETE'] as const

export type CorsMethod = (typeof CORS_METHODS)[number]

/** What pages of other origins may do to a bucket. */
export interface CorsRule {
  readonly id?: string | undefined
  /** With at most one `*` each. */
  readonly allowedOrigins: readonly string[]
  readonly allowedMethods: readonly CorsMethod[]
  /** Headers that a request may bring, with at most one `*` each; compared without case. */
  readonly allowedHeaders: readonly string[]
  /** Headers of answers that a page may see. */
  readonly exposeHeaders: readonly string[]
  /** How long a browser may remember the permission. */
  readonly maxAgeSeconds?: number | undefined
}

/**
 * Who owns what is written. All users of a node are one account to the S3 API, so the three say the
 * same here; they are kept because clients read them back.
 */
export type ObjectOwnership = 'BucketOwnerEnforced' | 'BucketOwnerPreferred' | 'ObjectWriter'

/** What the S3 API keeps with a bucket. Nothing of it changes what the bucket's objects are. */
export interface BucketS3 {
  /** Of a native bucket; a backend keeps the tags of its buckets itself. */
  readonly tags?: Tags | undefined
  readonly cors?: readonly CorsRule[] | undefined
  /** Absent: `BucketOwnerEnforced`, as a new bucket has it. `none`: a client removed the statement. */
  readonly ownership?: ObjectOwnership | 'none' | undefined
}
