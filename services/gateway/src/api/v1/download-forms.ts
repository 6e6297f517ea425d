import { Failure } from '@forebay/base/failure'
import { newRequestId } from '@forebay/base/ids'
import { JOB_ENDS, type JobRecord, type Json, type JsonObject } from '@forebay/jobs/job'
import { formatBucket } from '@forebay/model/bucket'
import { Fields } from '@forebay/wire/fields'
import { decodeJobBucket } from '@forebay/wire/job-messages'
import { isJsonObject } from '@forebay/wire/json'
import type { JobCaller } from '../../jobs/job-caller.ts'
import { JOBS_PAGE_MAX, type JobService } from '../../jobs/job-service.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'
import { readJson } from './request-body.ts'
import { requireKind } from './wire-jobs.ts'

/** Errors that the status of one download tells of; the job's failures are all of them. */
const ERRORS_SHOWN_MAX = 100

/** Longest pattern for descriptions, characters. */
const PATTERN_LENGTH_MAX = 256

const SECONDS_IN_HOUR = 3600

/** AIStore's downloader: `/v1/download`, `/v1/download/abort`, `/v1/download/remove`. */
export async function answerDownload(exchange: Exchange): Promise<void> {
  const { method, rawPath } = exchange
  const service = serviceOf(exchange)
  requireKind(service, 'download')
  const caller = jobCallerOf(exchange)
  const body = await readJson(exchange.raw, exchange.signal)
  const fields = new Fields(isJsonObject(body) ? body : {})
  const parties = { service, caller, fields }
  switch (`${method} ${rawPath}`) {
    case 'POST /v1/download':
      return startDownload(exchange, parties)
    case 'GET /v1/download':
      return tellDownloads(exchange, parties)
    case 'DELETE /v1/download/abort':
      await service.change(idOf(fields), 'abort', caller)
      return exchange.sendEmpty(200)
    case 'DELETE /v1/download/remove':
      await service.remove(idOf(fields), caller)
      return exchange.sendEmpty(200)
    default:
      throw new Failure('method-not-allowed', 'the downloader takes POST, GET and DELETE', {
        facts: { allow: 'GET, POST, DELETE' },
      })
  }
}

interface Parties {
  readonly service: JobService
  readonly caller: JobCaller
  readonly fields: Fields
}

async function startDownload(
  exchange: Exchange,
  { service, caller, fields }: Parties,
): Promise<void> {
  const bucket = decodeJobBucket(fields.nested('bucket'))
  if (bucket === undefined) throw new Failure('argument-invalid', 'bucket must name a bucket')
  if ((fields.text('etl_name') ?? '') !== '') {
    throw new Failure('not-implemented', 'downloads through an ETL are not built yet')
  }
  const description = fields.text('description') ?? ''
  const headers = fields.json('headers')
  const job = await service.order(
    {
      kind: 'download',
      bucket: formatBucket(bucket),
      args: { ...sourceOf(fields), ...(isJsonObject(headers) ? { headers } : {}) },
      ...(description === '' ? {} : { description }),
      limits: limitsOf(fields.nested('limits')),
    },
    caller,
    `dnl-${newRequestId()}`,
  )
  exchange.sendJson({ id: job.id })
}

function sourceOf(fields: Fields): JsonObject {
  const type = fields.text('type') ?? ''
  switch (type) {
    case 'single': {
      const object = fields.text('object_name') ?? ''
      const link = fields.text('link') ?? ''
      return { link, ...(object === '' ? {} : { object }) }
    }
    case 'multi':
      return { links: linksOf(fields.json('objects')) }
    case 'range': {
      const subdir = fields.text('subdir') ?? ''
      const template = fields.text('template') ?? ''
      return subdir === '' ? { template } : { template, prepend: `${subdir.replace(/\/+$/, '')}/` }
    }
    case 'backend':
      throw new Failure('not-implemented', 'downloads of type backend are not built yet', {
        hint: 'Prefetch does it: POST /v1/jobs {"kind": "prefetch"}.',
      })
    default:
      throw new Failure(
        'argument-invalid',
        `type "${type.slice(0, 64)}" is not one of single, range, multi, backend`,
      )
  }
}

function linksOf(objects: Json | undefined): Json {
  if (objects !== undefined && objects !== null && typeof objects === 'object') return objects
  throw new Failure('argument-invalid', 'objects must be a list of links, or an object of them')
}

function limitsOf(limits: Fields | undefined): JsonObject {
  const connections = limits?.integer('connections', { min: 0, max: 1024 }) ?? 0
  const bytesPerHour = limits?.integer('bytes_per_hour', { min: 0, max: 1e15 }) ?? 0
  return {
    ...(connections > 0 ? { concurrency: connections } : {}),
    ...(bytesPerHour > 0 ? { bytesPerSecond: Math.max(1, bytesPerHour / SECONDS_IN_HOUR) } : {}),
  }
}

async function tellDownloads(
  exchange: Exchange,
  { service, caller, fields }: Parties,
): Promise<void> {
  exchange.authorise('read')
  const id = fields.text('id') ?? ''
  const activeOnly = fields.flag('only_active_tasks') === true
  if (id === '') {
    const matches = descriptionFilter(fields.text('regex') ?? '')
    const jobs = await service.list({ kind: 'download', max: JOBS_PAGE_MAX }, caller)
    const told = jobs.filter(
      (job) => matches(job.description ?? '') && !(activeOnly && JOB_ENDS.has(job.state)),
    )
    return exchange.sendJson(told.map(encodeDownload))
  }
  const job = await service.get(id, caller)
  const { failures } = await service.failures(
    id,
    { after: undefined, max: ERRORS_SHOWN_MAX },
    caller,
  )
  exchange.sendJson({
    ...encodeDownload(job),
    download_errors: failures.map(({ key, message }) => ({ name: key, error: message })),
  })
}

/** Text that the description contains; only plain text is a safe pattern from a stranger. */
function descriptionFilter(pattern: string): (description: string) => boolean {
  const isPlain = /^[\w\s.,:/-]*$/.test(pattern) && pattern.length <= PATTERN_LENGTH_MAX
  if (!isPlain) {
    throw new Failure('not-implemented', 'regex may be plain text here: letters, digits, "-_.,:/"')
  }
  return (description) => description.includes(pattern)
}

function encodeDownload(job: JobRecord): JsonObject {
  const { done, skipped, failed } = job.counters
  return {
    id: job.id,
    xaction_id: job.id,
    description: job.description ?? '',
    started_time: new Date(job.startedMs ?? job.createdMs).toISOString(),
    finished_time: job.endedMs === undefined ? ZERO_TIME : new Date(job.endedMs).toISOString(),
    finished_cnt: done,
    scheduled_cnt: job.listing.items,
    skipped_cnt: skipped,
    error_cnt: failed,
    total: job.listing.items,
    all_dispatched: job.listing.complete,
    aborted: job.state === 'aborted',
  }
}

/** Go's zero time: it has not happened. */
const ZERO_TIME = '0001-01-01T00:00:00Z'

function idOf(fields: Fields): string {
  const id = fields.text('id') ?? ''
  if (id === '') throw new Failure('argument-invalid', 'id must name a download')
  return id
}
