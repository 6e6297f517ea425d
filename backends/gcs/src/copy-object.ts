import type { CopyOptions, WriteResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { askDocument } from './buckets.ts'
import { describe, jsonUpload, type Place, resourcePath } from './connection.ts'
import {
  describingResource,
  OBJECT_FIELDS,
  type ObjectResource,
  parseObject,
  textOf,
} from './object-resource.ts'
import { generationConditions, sourceGeneration } from './write-conditions.ts'
import { resultOf } from './write-object.ts'

/** Requests of one copy; the store copies 1 GiB or more in each that crosses locations or classes. */
const REWRITES_MAX = 10_000

/**
 * Copies within the store. A large copy to another location or class takes several requests; the
 * object appears with the last, and every one of them states the conditions.
 *
 * @throws Failure `object-not-found` (the source) | `bucket-not-found` | `precondition-failed`
 */
export async function copyObject(
  place: Place,
  options: CopyOptions,
): Promise<WriteResult & { readonly lastModifiedMs: number | undefined }> {
  const { sourceBucket, sourceKey, key, signal } = options
  const what = describe('COPY', place.bucket, key)
  const source = { connection: place.connection, bucket: sourceBucket }
  const generation = await sourceGeneration(source, {
    key: sourceKey,
    pin: options.sourcePin,
    conditions: options.sourceConditions,
    signal,
  })
  const conditions = await generationConditions(place, options)
  const description = await descriptionOf(source, options)
  let rewriteToken: string | undefined
  for (let step = 0; step < REWRITES_MAX; step++) {
    const answer = await askDocument(place.connection, {
      method: 'POST',
      path: `${resourcePath(sourceBucket, sourceKey)}/rewriteTo${resourcePath(place.bucket, key).replace('/storage/v1', '')}`,
      query: {
        ...conditions,
        ifSourceGenerationMatch: generation,
        rewriteToken,
        fields: `done,rewriteToken,resource(${OBJECT_FIELDS})`,
      },
      ...(description === undefined
        ? { headers: { 'content-length': '0' } }
        : {
            headers: { 'content-type': 'application/json' },
            upload: jsonUpload(description),
          }),
      signal,
      what,
    })
    if (answer['done'] === true) return copied(parseObject(answer['resource'], what))
    rewriteToken = textOf(answer['rewriteToken'])
    if (rewriteToken === undefined || rewriteToken === '') {
      throw new Failure('backend-corrupt', `${what}: the copy neither is done nor goes on`)
    }
  }
  throw new Failure('backend-corrupt', `${what}: the copy does not end`)
}

function copied(object: ObjectResource) {
  return { ...resultOf(object), lastModifiedMs: object.updatedMs }
}

/** Fields of an object that a copy to another storage class has to state again. */
const DESCRIBING_FIELDS =
  'contentType,contentEncoding,contentLanguage,contentDisposition,cacheControl,metadata'

/** What the copy is to be described by; `undefined`: as its source. The store takes all or nothing. */
async function descriptionOf(
  source: Place,
  options: CopyOptions,
): Promise<Readonly<Record<string, unknown>> | undefined> {
  if (options.replaceMetadata) return describingResource(options)
  if (options.storageClass === undefined) return undefined
  const described = await askDocument(source.connection, {
    method: 'GET',
    path: resourcePath(source.bucket, options.sourceKey),
    query: { fields: DESCRIBING_FIELDS },
    signal: options.signal,
    what: describe('lookup of', source.bucket, options.sourceKey),
  })
  const names = DESCRIBING_FIELDS.split(',')
  const kept = Object.entries(described).filter(([name]) => names.includes(name))
  return { ...Object.fromEntries(kept), storageClass: options.storageClass }
}
