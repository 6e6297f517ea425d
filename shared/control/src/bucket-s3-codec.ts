import { type BucketS3, CORS_METHODS, type CorsRule } from '@forebay/model/bucket-s3'
import type { Tags } from '@forebay/model/object'

const OWNERSHIPS: readonly BucketS3['ownership'][] = [
  'BucketOwnerEnforced',
  'BucketOwnerPreferred',
  'ObjectWriter',
  'none',
]

/** What the S3 API keeps with a bucket after a change; `undefined` when nothing is left. */
export function mergeBucketS3(
  before: BucketS3 | undefined,
  change: Partial<BucketS3> | undefined,
): BucketS3 | undefined {
  if (change === undefined) return before
  const { tags, cors, ownership } = { ...before, ...change }
  if (tags === undefined && cors === undefined && ownership === undefined) return undefined
  return Object.freeze({
    ...(tags === undefined ? {} : { tags: Object.freeze([...tags]) }),
    ...(cors === undefined ? {} : { cors: Object.freeze([...cors]) }),
    ...(ownership === undefined ? {} : { ownership }),
  })
}

/** Reads it back from the bucket table; `undefined` for what is none. */
export function decodeBucketS3(value: unknown): BucketS3 | undefined {
  if (!isObject(value)) return undefined
  const { tags, cors, ownership } = value
  if (tags !== undefined && !isTags(tags)) return undefined
  if (cors !== undefined && !(Array.isArray(cors) && cors.every(isRule))) return undefined
  const owned = OWNERSHIPS.find((known) => known === ownership)
  if (ownership !== undefined && owned === undefined) return undefined
  return mergeBucketS3(undefined, { tags, cors, ownership: owned })
}

function isTags(value: unknown): value is Tags {
  return (
    Array.isArray(value) &&
    value.every(
      (tag) => isObject(tag) && typeof tag['key'] === 'string' && typeof tag['value'] === 'string',
    )
  )
}

function isRule(value: unknown): value is CorsRule {
  if (!isObject(value)) return false
  const { id, allowedOrigins, allowedMethods, allowedHeaders, exposeHeaders, maxAgeSeconds } = value
  return (
    (id === undefined || typeof id === 'string') &&
    (maxAgeSeconds === undefined || Number.isSafeInteger(maxAgeSeconds)) &&
    isTexts(allowedOrigins) &&
    isTexts(allowedHeaders) &&
    isTexts(exposeHeaders) &&
    isTexts(allowedMethods) &&
    allowedMethods.every((method) => CORS_METHODS.some((known) => known === method))
  )
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
