import { Failure } from '@forebay/base/failure'
import { type NamedBucket, renderBuckets } from '@forebay/s3/documents'
import { openToken, sealToken } from '@forebay/s3/list-parameters'
import { wholeNumber } from '@forebay/s3/query'
import { mayDo, namesOf } from '../../authentication/authorise.ts'
import type { Exchange } from './exchange.ts'

/** Buckets in one page (S3 API). */
export const BUCKETS_PAGE_MAX = 10_000

/** A token of ListBuckets belongs to no bucket. */
const NO_BUCKET_ID = 0

/** ListBuckets: those that the caller may list, by name. */
export async function listBuckets(exchange: Exchange): Promise<void> {
  const { query } = exchange.target
  const { table, owner, region } = exchange.context
  const { identity } = exchange.authenticated
  const prefix = query.get('prefix')
  const pageMax = wholeNumber(query, 'max-buckets') ?? BUCKETS_PAGE_MAX
  if (pageMax < 1 || pageMax > BUCKETS_PAGE_MAX) {
    throw new Failure('argument-invalid', `max-buckets must be between 1 and ${BUCKETS_PAGE_MAX}`)
  }
  const sealed = query.get('continuation-token')
  const after = sealed === undefined ? undefined : openToken(sealed, NO_BUCKET_ID)
  const wantedRegion = query.get('bucket-region')
  const byName = new Map<string, NamedBucket>()
  for (const bucket of table.list()) {
    const { name } = bucket.ref
    if (prefix !== undefined && !name.startsWith(prefix)) continue
    if (after !== undefined && name <= after) continue
    if (!mayDo(identity, 'list', namesOf(bucket))) continue
    // One name stands for the buckets of all providers, as it does in requests.
    if (!byName.has(name)) byName.set(name, { name, createdMs: bucket.createdMs })
  }
  const found = wantedRegion === undefined || wantedRegion === region ? [...byName.values()] : []
  found.sort((a, b) => (a.name < b.name ? -1 : 1))
  const page = found.slice(0, pageMax)
  const final = page.at(-1)
  const nextToken =
    final !== undefined && found.length > page.length
      ? sealToken(final.name, NO_BUCKET_ID)
      : undefined
  const { user } = identity.kind === 'user' ? identity : { user: undefined }
  const shown =
    user === undefined ? owner : { id: user.id, displayName: user.displayName ?? user.id }
  exchange.sendXml(renderBuckets({ buckets: page, owner: shown, prefix, nextToken }))
}
