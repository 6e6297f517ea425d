import type { TaggingOperations } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { Place } from './memory-backend.ts'
import type { StoredVersion } from './memory-bucket.ts'
import { serve } from './serve.ts'

/** Tags of one bucket and its objects. */
export function createTagging(place: Place): TaggingOperations {
  const { store, bucket } = place
  return {
    get: (options) =>
      serve(place, { operation: 'get-tags', ...options }, () => {
        const version = versionOf(place, options)
        if (version === undefined) throw absent(options.key)
        return { tags: version.tags ?? [], versionId: version.versionId }
      }),
    put: (options) =>
      serve(place, { operation: 'put-tags', ...options }, () => {
        const version = versionOf(place, options)
        const tags = options.tags.length === 0 ? undefined : options.tags
        if (
          version === undefined ||
          !store.bucket(bucket).tag(options.key, version.versionId, tags)
        )
          throw absent(options.key)
        return { versionId: version.versionId }
      }),
    getOfBucket: ({ signal }) =>
      serve(
        place,
        { operation: 'get-tags', key: undefined, signal },
        () => store.bucket(bucket).tags,
      ),
    putOfBucket: ({ signal, tags }) =>
      serve(place, { operation: 'put-tags', key: undefined, signal }, () => {
        store.bucket(bucket).tags = tags.length === 0 ? undefined : tags
      }),
  }
}

/** The version that a request names, or the current one. */
export function versionOf(
  place: Place,
  { key, versionId }: { readonly key: string; readonly versionId?: string | undefined },
): StoredVersion | undefined {
  const bucket = place.store.bucket(place.bucket)
  if (versionId === undefined) return bucket.current(key)
  if (versionId !== 'null') return bucket.version(key, versionId)
  const current = bucket.current(key)
  return current?.versionId === undefined ? current : undefined
}

function absent(key: string): Failure {
  return new Failure('object-not-found', `no object ${key}`)
}
