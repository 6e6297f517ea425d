import type { TaggingOperations } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import type { StoredHeaders, Tags } from '@forebay/model/object'
import type { TagsRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { checkWritable, keyIdOf, type ObjectContext } from './context.ts'

const NO_TAGS: Tags = Object.freeze([])

/** The tags of an object: of a native bucket from its record, else as the backend has them now. */
export async function getTags(
  context: ObjectContext,
  request: TagsRequest,
): Promise<{ readonly tags: Tags; readonly versionId?: string | undefined }> {
  const { bucket, key, versionId, signal } = request
  if (bucket.backend !== undefined) {
    return taggingOf(context, bucket).get({ key, versionId, signal })
  }
  return { tags: nativeRecord(context, request).attributes.tags ?? NO_TAGS }
}

/**
 * Replaces the tags of an object; its bytes, ETag and dates stay. A copy in the cache learns how many
 * there are.
 */
export async function putTags(
  context: ObjectContext,
  request: TagsRequest & { readonly tags: Tags },
): Promise<{ readonly versionId?: string | undefined }> {
  const { bucket, key, tags, versionId, signal } = request
  checkWritable(context, bucket)
  const keyId = keyIdOf(bucket, key)
  if (bucket.backend === undefined) {
    return context.locks.hold(keyId, async () => {
      const record = nativeRecord(context, request)
      const stated = tags.length === 0 ? undefined : Object.freeze([...tags])
      await context.store.amend(record, Object.freeze({ ...record.attributes, tags: stated }))
      return {}
    })
  }
  const tagging = taggingOf(context, bucket)
  return context.locks.hold(keyId, async () => {
    const answer = await tagging.put({ key, versionId, tags, signal })
    const record = context.store.get(bucket.id, key)
    if (record !== undefined && isOfVersion(record, versionId, answer.versionId)) {
      const tagCount = tags.length || undefined
      context.store.restate(record, Object.freeze({ ...record.attributes, tagCount }))
    }
    return answer
  })
}

/** @throws Failure `not-implemented` for a backend without tags */
export function taggingOf(context: ObjectContext, bucket: BucketRecord): TaggingOperations {
  const { tagging } = context.backendOf(bucket)
  if (tagging !== undefined) return tagging
  throw new Failure('not-implemented', `${formatBucket(bucket.ref)}: its backend has no tags`)
}

/**
 * Refuses what would be lost at a backend that is no S3: tags, and a website's redirect.
 *
 * @throws Failure `not-implemented`
 */
export function checkKept(
  context: ObjectContext,
  bucket: BucketRecord,
  stated: {
    readonly tags?: Tags | undefined
    readonly headers?: StoredHeaders | undefined
  },
): void {
  if (bucket.backend === undefined) return
  if ((stated.tags?.length ?? 0) > 0) taggingOf(context, bucket)
  if (stated.headers?.websiteRedirect === undefined) return
  if (context.backendOf(bucket).tagging !== undefined) return
  throw new Failure(
    'not-implemented',
    `${formatBucket(bucket.ref)}: its backend has no website redirects`,
  )
}

function nativeRecord(context: ObjectContext, request: TagsRequest): ObjectRecord {
  const { bucket, key, versionId } = request
  checkNativeVersion(versionId)
  const record = context.store.get(bucket.id, key)
  if (record !== undefined) return record
  throw new Failure('object-not-found', 'the specified key does not exist', { facts: { key } })
}

/**
 * An object of a native bucket has one version, which S3 calls `null`.
 *
 * @throws Failure `argument-invalid` | `version-not-found`
 */
export function checkNativeVersion(versionId: string | undefined): void {
  if (versionId === undefined || versionId === 'null') return
  throw new Failure('argument-invalid', 'Invalid version id specified', {
    facts: { verbatim: true, argumentName: 'versionId', argumentValue: versionId },
  })
}

/** Not every store says which version it tagged; without a name it is the current one. */
function isOfVersion(
  { pin }: ObjectRecord,
  asked: string | undefined,
  answered: string | undefined,
): boolean {
  const named = answered ?? asked
  if (named === undefined) return true
  return pin.kind === 'version-id' ? pin.versionId === named : named === 'null'
}
