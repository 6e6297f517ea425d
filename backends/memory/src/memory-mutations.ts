import { createHash } from 'node:crypto'
import type {
  CopyOptions,
  MutationOperations,
  UploadBody,
  WriteOptions,
  WriteResult,
} from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { bytesOf } from './byte-source.ts'
import { checkCondition, judge, resultOf, sourceOf, unsupported } from './judge.ts'
import type { Place } from './memory-backend.ts'
import type { StoredVersion, VersionContent } from './memory-bucket.ts'
import { createMultipart } from './memory-multipart.ts'
import { serve } from './serve.ts'
import { verifyChecksums } from './verify-checksums.ts'

/** What changes the objects of one bucket. */
export function createMutations(place: Place): MutationOperations {
  const { store, bucket, capabilities } = place
  return {
    write: (options, body) => write(place, options, body),
    copy: (options) => copy(place, options),
    delete: (options) =>
      serve(place, { operation: 'delete', ...options }, () => {
        const { ifMatch, ifNoneMatch } = options.conditions
        const conditional = ifMatch !== undefined || ifNoneMatch !== undefined
        if (conditional && !capabilities.conditionalDelete) throw unsupported('conditional delete')
        judge(options.conditions, store.bucket(bucket).current(options.key))
        store.bucket(bucket).delete(options.key)
      }),
    ...createMultipart(place),
  }
}

function write(place: Place, options: WriteOptions, body: UploadBody): Promise<WriteResult> {
  const { store } = place
  return serve(place, { operation: 'write', ...options, upload: body }, (_, bytes) => {
    const bucket = store.bucket(place.bucket)
    verifyChecksums(bytes, options)
    checkCondition(place, options.conditions)
    judge(options.conditions, bucket.current(options.key))
    const { headers, metadata, storageClass, tags } = options
    const md5 = createHash('md5').update(bytes).digest('hex')
    const version = bucket.put(options.key, {
      source: bytesOf(bytes),
      etag: md5,
      lastModifiedMs: store.clock.now(),
      headers,
      metadata,
      checksums: [
        ...options.checksums.filter(({ algorithm }) => algorithm !== 'md5'),
        { algorithm: 'md5', kind: 'whole', hex: md5 },
      ],
      parts: undefined,
      storageClass,
      tags: tags?.length === 0 ? undefined : tags,
    })
    return resultOf(place, version)
  })
}

function copy(
  place: Place,
  options: CopyOptions,
): Promise<WriteResult & { readonly lastModifiedMs: number | undefined }> {
  const { store } = place
  return serve(place, { operation: 'copy', ...options }, () => {
    if (!place.capabilities.serverSideCopy) throw unsupported('server-side copy')
    const bucket = store.bucket(place.bucket)
    const source = sourceOf(place, options)
    const sameObject = options.sourceBucket === place.bucket && options.sourceKey === options.key
    if (sameObject && !options.replaceMetadata) {
      throw new Failure('backend-refused', 'a copy onto itself must change something')
    }
    checkCondition(place, options.conditions)
    judge(options.conditions, bucket.current(options.key))
    const described = options.replaceMetadata ? options : source
    const version = bucket.put(options.key, {
      ...singlePut(source),
      lastModifiedMs: store.clock.now(),
      headers: described.headers,
      metadata: described.metadata,
      storageClass: options.storageClass ?? source.storageClass,
      tags: options.replaceTags === true ? options.tags : source.tags,
    })
    return {
      ...resultOf(place, version),
      lastModifiedMs: store.attributesOf(version).lastModifiedMs,
    }
  })
}

/** A copy is one PUT: an object made of parts gets a plain MD5 (S3 API). */
function singlePut(source: StoredVersion): VersionContent {
  if (source.parts === undefined) return source
  const md5 = createHash('md5')
    .update(source.source.slice(0, source.source.sizeBytes))
    .digest('hex')
  const checksums = [{ algorithm: 'md5', kind: 'whole', hex: md5 } as const]
  return { ...source, etag: md5, parts: undefined, checksums }
}
