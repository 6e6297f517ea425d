import type { WriteOptions } from '@forebay/backend-port/backend'
import { type Headers, present, tagList } from '@forebay/backend-transport/conditional-headers'
import { Failure } from '@forebay/base/failure'
import type { Conditions } from '@forebay/model/conditions'
import { EXPIRES_HEADER, METADATA_PREFIX } from './answer-headers.ts'
import { encodeMetadataName } from './metadata-names.ts'

/**
 * The headers of a write that describe the object.
 *
 * @throws Failure `backend-refused` for a value of metadata that Azure cannot hold,
 * `storage-class-invalid`
 */
export function describingHeaders(
  described: Pick<WriteOptions, 'headers' | 'metadata' | 'storageClass'>,
): Headers {
  const { headers, metadata, storageClass } = described
  const metaHeaders: Record<string, string> = {}
  for (const [name, value] of Object.entries(metadata)) {
    metaHeaders[`${METADATA_PREFIX}${encodeMetadataName(name)}`] = checkValue(name, value)
  }
  return present({
    'x-ms-blob-content-type': headers.contentType,
    'x-ms-blob-content-encoding': headers.contentEncoding,
    'x-ms-blob-content-language': headers.contentLanguage,
    'x-ms-blob-content-disposition': headers.contentDisposition,
    'x-ms-blob-cache-control': headers.cacheControl,
    'x-ms-access-tier': tierOf(storageClass),
    [EXPIRES_HEADER]: headers.expires,
    ...metaHeaders,
  })
}

/** The service answers 403 to values that it cannot hold: their signature comes out otherwise. */
function checkValue(name: string, value: string): string {
  if (/^[\x20-\x7e]*$/.test(value)) return value.trim()
  throw new Failure('backend-refused', `the metadata ${name} has characters outside ASCII`, {
    hint: 'Azure keeps metadata in ASCII; encode the value',
  })
}

const TIERS: readonly string[] = ['Hot', 'Cool', 'Cold', 'Archive']

/** The tier of that name, in any case; `STANDARD`, which clients of S3 state, is the account's own. */
function tierOf(storageClass: string | undefined): string | undefined {
  if (storageClass === undefined || storageClass === 'STANDARD') return undefined
  const tier = TIERS.find((known) => known.toLowerCase() === storageClass.toLowerCase())
  if (tier !== undefined) return tier
  throw new Failure('storage-class-invalid', `Azure has no access tier "${storageClass}"`, {
    hint: `there are ${TIERS.join(', ')}`,
  })
}

/**
 * If-Match and If-None-Match of a request that writes or deletes.
 *
 * @throws Failure `not-implemented` for more than one tag: Azure takes one
 */
export function conditionHeaders(conditions: Conditions): Headers {
  for (const tags of [conditions.ifMatch, conditions.ifNoneMatch]) {
    if (tags === undefined || tags.length < 2) continue
    throw new Failure('not-implemented', 'Azure takes conditions with one ETag only')
  }
  return present({
    'if-match': tagList(conditions.ifMatch),
    'if-none-match': tagList(conditions.ifNoneMatch),
  })
}
