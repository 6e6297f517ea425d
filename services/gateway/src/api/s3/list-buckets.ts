import { type NamedBucket, renderBuckets } from '@forebay/s3/documents'
import { parseNameToken } from '@forebay/s3/list-parameters'
import { badArgument } from '@forebay/s3/verbatim'
import { mayDo, namesOf } from '../../authentication/authorise.ts'
import type { Exchange } from './exchange.ts'

/** Buckets in one page (S3 API). */
export const BUCKETS_PAGE_MAX = 10_000

/** ListBuckets: those that the caller may list, by name. */
export async function listBuckets(exchange: Exchange): Promise<void> {
  const { query } = exchange.target
  const { table, region } = exchange.context
  const { identity } = exchange.authenticated
  const prefix = query.get('prefix')
  const pageMax = parsePageMax(query.get('max-buckets'))
  const after = parseNameToken(query.get('continuation-token'))
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
  const nextToken = found.length > page.length ? page.at(-1)?.name : undefined
  exchange.sendXml(
    renderBuckets({ buckets: page, owner: exchange.owner, region, prefix, nextToken }),
  )
}

function parsePageMax(value: string | undefined): number {
  if (value === undefined) return BUCKETS_PAGE_MAX
  const pageMax = /^\d{1,5}$/.test(value) ? Number(value) : 0
  if (pageMax >= 1 && pageMax <= BUCKETS_PAGE_MAX) return pageMax
  throw badArgument(
    `Argument max-buckets must be an integer between 1 and ${BUCKETS_PAGE_MAX}.`,
    'max-buckets',
    value,
  )
}
