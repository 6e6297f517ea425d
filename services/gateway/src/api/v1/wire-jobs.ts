import { Failure } from '@forebay/base/failure'
import { JOB_ENDS, type JobRecord } from '@forebay/jobs/job'
import type { JobKind } from '@forebay/jobs/kind'
import type { BucketRef } from '@forebay/model/bucket'
import { parseBucketUrl } from '@forebay/wire/bucket'
import type { WireJob } from '@forebay/wire/job-messages'
import type { JobService } from '../../jobs/job-service.ts'

/** AIStore's kinds of jobs by the names that its command line also takes (its display names). */
const WIRE_KINDS: Readonly<Record<string, string>> = {
  rebalance: 'rebalance',
  resilver: 'resilver',
  lru: 'lru-eviction',
  'cleanup-store': 'cleanup',
  rechunk: 'rechunk',
  'index-shard': 'shard-index',
  'ec-encode': 'ec-bucket',
  'make-n-copies': 'mirror',
  'prefetch-listrange': 'prefetch-objects',
  'blob-download': 'blob-download',
  'load-lom-cache': 'warm-up-metadata',
  'create-inventory': 'create-inventory',
  'summary-bck': 'summary',
  'summary-shard': 'summary-shard',
  list: 'list',
  'ec-get': 'ec-get',
  'ec-put': 'ec-put',
  'ec-resp': 'ec-resp',
  'put-copies': 'put-copies',
  'copy-bck': 'copy-bucket',
  'copy-listrange': 'copy-objects',
  'etl-bck': 'etl-bucket',
  'etl-listrange': 'etl-objects',
  'etl-inline': 'etl-inline',
  'move-bck': 'rename-bucket',
  archive: 'archive',
  promote: 'promote-files',
  'evict-listrange': 'evict-objects',
  'evict-remote-bck': 'evict-remote-bucket',
  'delete-listrange': 'delete-objects',
  download: 'download',
  dsort: 'dsort',
  'get-batch': 'get-batch',
  election: 'elect-primary',
}

/** AIStore's word for a kind however a client names it; `undefined` for a word that it does not know. */
export function wireKindOf(name: string): string | undefined {
  if (Object.hasOwn(WIRE_KINDS, name)) return name
  return Object.entries(WIRE_KINDS).find(([, alias]) => alias === name)?.[0]
}

/** Our kind for a word of AIStore's, or for our own name of it. */
export function kindForWire(service: JobService, name: string): JobKind | undefined {
  const wireName = wireKindOf(name)
  return service.kinds.find(
    (kind) => kind.name === name || (wireName !== undefined && kind.wireName === wireName),
  )
}

/** @throws Failure `not-implemented` where the catalogue has no such kind */
export function requireKind(service: JobService, wireName: string): JobKind {
  const kind = service.kinds.find((one) => one.wireName === wireName)
  if (kind !== undefined) return kind
  throw new Failure('not-implemented', `the action "${wireName}" is not built yet`)
}

/** A job as AIStore's clients are told of it. */
export function wireJobOf(service: JobService, job: JobRecord): WireJob {
  const kind = service.kinds.find(({ name }) => name === job.kind)
  const { done, bytes } = job.counters
  const hasEnded = JOB_ENDS.has(job.state)
  return {
    id: job.id,
    kind: kind?.wireName ?? job.kind,
    bucket: job.bucket,
    destination: destinationOf(job),
    startedMs: job.startedMs ?? job.createdMs,
    endedMs: hasEnded ? (job.endedMs ?? job.createdMs) : undefined,
    aborted: job.state === 'aborted',
    error: errorOf(job),
    description: job.description,
    workers: job.limits.concurrency ?? 0,
    objects: done,
    bytes,
  }
}

function errorOf({ state, error, counters }: JobRecord): string {
  if (state === 'finished' || !JOB_ENDS.has(state)) return ''
  return error ?? (state === 'failed' ? `${counters.failed} items failed` : state)
}

function destinationOf({ args }: JobRecord): BucketRef | undefined {
  const to = args['to']
  if (typeof to !== 'string') return undefined
  const { provider = 'ais', namespace, name } = parseBucketUrl(to)
  return { provider, namespace, name }
}
