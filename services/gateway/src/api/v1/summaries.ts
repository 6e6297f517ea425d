/**
 * AIStore's summaries of buckets: the first request orders a job and is answered with 202 and its id, the
 * next ones name the id and get 202 until the job has ended.
 */
import { Failure } from '@forebay/base/failure'
import type { JobRecord, JsonObject } from '@forebay/jobs/job'
import { SUMMARY } from '@forebay/jobs/kinds/summary'
import { type BucketRecord, formatBucket } from '@forebay/model/bucket'
import { checkKey } from '@forebay/model/key'
import { percentDecode } from '@forebay/s3/percent'
import { type ActionMessage, parseQueryFlag, valueFields } from '@forebay/wire/action'
import { parseBucketUrl, parseNamespace, parseProvider } from '@forebay/wire/bucket'
import { encodeBucketProperties } from '@forebay/wire/bucket-properties'
import { encodeBucketSummary, encodeSummaryHeaders } from '@forebay/wire/bucket-summary'
import { isJsonObject, type Json } from '@forebay/wire/json'
import { openBucket, type RawAddress } from './address.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'

interface Asked {
  /** Absent: every bucket. */
  readonly bucket: BucketRecord | undefined
  /** Empty in the first request. */
  readonly id: string
  readonly prefix: string
  readonly cachedOnly: boolean
}

/** `GET /v1/buckets[/{bucket}]` with `summary-bck`. */
export async function getSummary(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage,
): Promise<void> {
  const value = valueFields(message)
  const bucket = rawName === '' ? undefined : await openBucket(exchange, rawName, 'read')
  const job = await jobOf(exchange, {
    bucket,
    id: value.text('uuid') ?? '',
    prefix: value.text('prefix') ?? '',
    cachedOnly: value.flag('cached') ?? false,
  })
  if (job.state !== 'finished') {
    exchange.sendBytes(Buffer.from(job.id), 'text/plain; charset=utf-8', 202)
    return
  }
  exchange.sendJson(await summariesOf(exchange, job, bucket))
}

/** `HEAD /v1/buckets/{bucket}[/{prefix}]?bsumm_remote=`: properties, and with them the summary. */
export async function headSummary(exchange: Exchange, address: RawAddress): Promise<void> {
  const { query } = exchange
  const bucket = await openBucket(exchange, address.bucket, 'read')
  const job = await jobOf(exchange, {
    bucket,
    id: query.get('uuid') ?? '',
    prefix: address.key === undefined ? '' : checkKey(percentDecode(address.key)),
    cachedOnly: !parseQueryFlag(query.get('bsumm_remote')),
  })
  const isEnded = job.state === 'finished'
  const [summary] = isEnded ? await summariesOf(exchange, job, bucket) : []
  const properties = encodeBucketProperties(bucket)
  const headers = encodeSummaryHeaders({ jobId: job.id, properties, summary })
  exchange.sendHead(isEnded ? 200 : 202, headers)
}

/** @throws Failure `job-not-found`, `job-state-invalid` for a job that came to no result */
async function jobOf(exchange: Exchange, asked: Asked): Promise<JobRecord> {
  const service = serviceOf(exchange)
  const caller = jobCallerOf(exchange)
  const { bucket, id, prefix, cachedOnly } = asked
  const url = bucket && formatBucket(bucket.ref)
  if (id === '') {
    const args = { ...(prefix === '' ? {} : { prefix }), ...(cachedOnly ? { cachedOnly } : {}) }
    const order = { kind: SUMMARY.name, ...(url === undefined ? {} : { bucket: url }), args }
    const { id: ordered } = await service.order(order, caller)
    // The first answer is never the last one: clients take the id from it.
    return { ...(await service.get(ordered, caller)), state: 'queued' }
  }
  const job = await service.get(id, caller)
  const jobUrl = job.bucket && formatBucket(job.bucket)
  if (job.kind !== SUMMARY.name || jobUrl !== url) {
    throw new Failure('job-not-found', `"x-[${id.slice(0, 64)}]" not found`)
  }
  if (job.state === 'failed' || job.state === 'aborted' || job.state === 'lost') {
    const why = job.error === undefined ? '' : `: ${job.error}`
    throw new Failure('job-state-invalid', `the summary ${id} is ${job.state}${why}`)
  }
  return job
}

/** What the job counted: of its bucket, or of those that the query asks for. */
async function summariesOf(
  exchange: Exchange,
  { result = {}, args }: JobRecord,
  bucket: BucketRecord | undefined,
): Promise<readonly JsonObject[]> {
  const { context } = exchange
  const { mountpaths } = await context.status()
  const capacityBytes = mountpaths.reduce((sum, one) => sum + (one.capacityBytes ?? 0), 0)
  const encode = (record: BucketRecord, sums: JsonObject): JsonObject => {
    const isRemote = record.backend !== undefined && args['cachedOnly'] !== true
    return encodeBucketSummary({
      ...{ ref: record.ref, isRemote, capacityBytes, diskBytes: context.spaceOf(record).usedBytes },
      objects: numberOf(sums, 'objects'),
      bytes: numberOf(sums, 'bytes'),
      cachedObjects: numberOf(sums, 'cachedObjects'),
      cachedBytes: numberOf(sums, 'cachedBytes'),
      smallestBytes: numberOf(sums, 'smallestBytes'),
      largestBytes: numberOf(sums, 'largestBytes'),
    })
  }
  if (bucket !== undefined) return [encode(bucket, result)]
  const rows = result['buckets']
  if (!Array.isArray(rows)) return []
  return rows.flatMap((row: Json) => {
    // A bucket whose store was away has no sums to tell.
    const sums = isJsonObject(row) && row['error'] === undefined ? row : undefined
    const record = sums && recordOf(exchange, sums)
    return sums === undefined || record === undefined ? [] : [encode(record, sums)]
  })
}

function recordOf(exchange: Exchange, { bucket: url }: JsonObject): BucketRecord | undefined {
  if (typeof url !== 'string') return undefined
  const { provider = 'ais', namespace, name } = parseBucketUrl(url)
  const { query } = exchange
  const wanted = query.get('provider') ?? ''
  if (wanted !== '' && parseProvider(wanted) !== provider) return undefined
  const within = query.get('namespace')
  if (within !== undefined) {
    const asked = parseNamespace(within)
    if (asked.uuid !== namespace.uuid || asked.name !== namespace.name) return undefined
  }
  return exchange.context.buckets.find({ provider, namespace, name })
}

function numberOf(sums: JsonObject, name: string): number {
  const value = sums[name]
  return typeof value === 'number' ? value : 0
}
