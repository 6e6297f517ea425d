import { compareKeys } from '@forebay/model/key'
import type { ListVersionsAnswer, ListVersionsRequest } from '@forebay/peer/target-port'
import type { ObjectContext } from './context.ts'
import { listObjects } from './list.ts'

const NOTHING: ListVersionsAnswer = { versions: [], commonPrefixes: [], truncated: false }

/**
 * A page of versions: those that the backend lists, or each object as the only version of itself.
 */
export async function listVersions(
  context: ObjectContext,
  request: ListVersionsRequest,
): Promise<ListVersionsAnswer> {
  const { bucket, prefix, delimiter, keyMarker, pageMax, signal } = request
  if (pageMax === 0) return NOTHING
  const versioning = bucket.backend === undefined ? undefined : context.backendOf(bucket).versioning
  if (versioning !== undefined) return versioning.list(request)
  const page = await listObjects(context, {
    bucket,
    prefix,
    delimiter,
    after: keyMarker,
    pageMax,
    signal,
  })
  const last = lastOf(page.objects.at(-1)?.key, page.commonPrefixes.at(-1))
  const truncated = page.nextToken !== undefined
  return {
    versions: page.objects.map((object) => ({
      key: object.key,
      versionId: 'null',
      isLatest: true,
      lastModifiedMs: object.lastModifiedMs,
      object,
    })),
    commonPrefixes: page.commonPrefixes,
    truncated,
    nextKeyMarker: truncated ? last : undefined,
    nextVersionIdMarker: truncated && last === page.objects.at(-1)?.key ? 'null' : undefined,
  }
}

function lastOf(key: string | undefined, prefix: string | undefined): string | undefined {
  if (key === undefined || prefix === undefined) return key ?? prefix
  return compareKeys(key, prefix) > 0 ? key : prefix
}
