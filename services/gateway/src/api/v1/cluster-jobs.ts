import { Failure, isFailure } from '@forebay/base/failure'
import type { JobRecord, JsonObject } from '@forebay/jobs/job'
import { formatBucket } from '@forebay/model/bucket'
import type { ActionMessage } from '@forebay/wire/action'
import { Fields } from '@forebay/wire/fields'
import {
  decodeJobQuery,
  encodeJobSnapshot,
  encodeJobStatus,
  type JobQuery,
} from '@forebay/wire/job-messages'
import { isJsonObject } from '@forebay/wire/json'
import type { JobCaller } from '../../jobs/job-caller.ts'
import { JOBS_PAGE_MAX, type JobService, OPEN_STATES } from '../../jobs/job-service.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'
import { readAction, readJson } from './request-body.ts'
import { kindForWire, wireJobOf, wireKindOf } from './wire-jobs.ts'

/** Kinds that AIStore's `start` can begin; others have an action of their own. */
const STARTABLE: ReadonlySet<string> = new Set([
  'rebalance',
  'resilver',
  'lru',
  'cleanup-store',
  'rechunk',
  'index-shard',
  'ec-encode',
  'make-n-copies',
  'prefetch-listrange',
  'blob-download',
  'load-lom-cache',
])

/** Bit of `flags` in a `start`: ask the backend about what is cached. */
const LATEST_FLAG = 2

/** Questions about jobs under `GET /v1/cluster?what=`. */
const JOB_QUESTIONS = ['status', 'status_all', 'qryxstats', 'running_all'] as const

/** True for a request about jobs; everything else under `/v1/cluster` is not built. */
export function isJobQuestion(exchange: Exchange): boolean {
  if (exchange.rawPath !== '/v1/cluster' || exchange.context.jobs === undefined) return false
  if (exchange.method === 'PUT') return true
  const what = exchange.query.get('what')
  return exchange.method === 'GET' && JOB_QUESTIONS.some((known) => known === what)
}

/** `GET /v1/cluster?what=status|status_all|qryxstats|running_all`, `PUT /v1/cluster` start and stop. */
export async function answerClusterJobs(exchange: Exchange): Promise<void> {
  const service = serviceOf(exchange)
  const caller = jobCallerOf(exchange)
  if (exchange.method === 'PUT') return changeJobs(exchange, service, caller)
  exchange.authorise('read')
  const query = decodeJobQuery(await readJson(exchange.raw, exchange.signal))
  const find = (): Promise<readonly JobRecord[]> => findJobs(service, query, caller)
  switch (exchange.query.get('what')) {
    case 'status':
      return exchange.sendJson(await statusOf(exchange, service, { query, caller }))
    case 'status_all':
      return exchange.sendJson(
        (await find()).map((job) => encodeJobStatus(wireJobOf(service, job))),
      )
    case 'qryxstats':
      return exchange.sendJson(await snapshotsOf(exchange, service, { query, caller }))
    default: {
      const active = await findJobs(service, { ...query, activeOnly: true }, caller)
      return exchange.sendJson(active.map((job) => `${wireJobOf(service, job).kind}[${job.id}]`))
    }
  }
}

async function statusOf(
  exchange: Exchange,
  service: JobService,
  asked: { readonly query: JobQuery; readonly caller: JobCaller },
): Promise<JsonObject> {
  const { query, caller } = asked
  if (query.id === '' && query.kind === '') {
    throw new Failure('argument-invalid', 'status needs the id or the kind of a job')
  }
  const [newest] = await findJobs(service, query, caller)
  if (newest === undefined) {
    const name = query.id === '' ? query.kind : query.id
    const node = exchange.context.nodeId
    throw new Failure('job-not-found', `p[${node}]: x-[${name.slice(0, 64)}] does not exist`)
  }
  const job = wireJobOf(service, newest)
  if (query.kind !== '' && kindForWire(service, query.kind)?.name !== newest.kind) {
    throw new Failure(
      'argument-invalid',
      `job ${job.id} is of kind ${job.kind}, not ${query.kind.slice(0, 64)}`,
    )
  }
  return encodeJobStatus(job)
}

async function snapshotsOf(
  exchange: Exchange,
  service: JobService,
  asked: { readonly query: JobQuery; readonly caller: JobCaller },
): Promise<JsonObject> {
  const { query, caller } = asked
  const jobs = await findJobs(service, query, caller)
  if (query.id !== '' && jobs.length === 0) {
    throw new Failure('job-not-found', `"x-[${query.id.slice(0, 64)}]" not found`)
  }
  const snapshots = jobs.map((job) => encodeJobSnapshot(wireJobOf(service, job)))
  return { [exchange.context.nodeId]: snapshots }
}

/** An unknown word for a kind restricts nothing, as in AIStore. */
async function findJobs(
  service: JobService,
  query: JobQuery,
  caller: JobCaller,
): Promise<readonly JobRecord[]> {
  const { id, kind, bucket, activeOnly } = query
  if (id !== '') {
    const job = await service.get(id, caller).catch((error: unknown) => {
      if (isFailure(error, 'job-not-found')) return undefined
      throw error
    })
    const isLeftOut = job === undefined || (activeOnly && !OPEN_STATES.includes(job.state))
    return isLeftOut ? [] : [job]
  }
  const known = kindForWire(service, kind)
  // A kind of AIStore's that has no jobs here has none to tell of.
  if (known === undefined && wireKindOf(kind) !== undefined) return []
  const filter = {
    kind: known?.name,
    bucket: bucket === undefined ? undefined : formatBucket(bucket),
    states: activeOnly ? OPEN_STATES : undefined,
    max: JOBS_PAGE_MAX,
  }
  return service.list(filter, caller)
}

async function changeJobs(
  exchange: Exchange,
  service: JobService,
  caller: JobCaller,
): Promise<void> {
  const message = await readAction(exchange.raw, exchange.signal)
  switch (message?.action) {
    case 'start':
      return startJob(exchange, message, { service, caller })
    case 'stop':
      return stopJobs(exchange, message, { service, caller })
    default:
      exchange.authorise('admin')
      throw new Failure(
        'not-implemented',
        `the action "${(message?.action ?? '').slice(0, 64)}" of /v1/cluster is not built yet`,
      )
  }
}

interface Parties {
  readonly service: JobService
  readonly caller: JobCaller
}

async function startJob(
  exchange: Exchange,
  message: ActionMessage,
  { service, caller }: Parties,
): Promise<void> {
  const { kind: name, bucket } = decodeJobQuery(message.value)
  const wireName = wireKindOf(name) ?? name
  const kind = kindForWire(service, name)
  if (kind === undefined || (kind.wireName !== undefined && !STARTABLE.has(wireName))) {
    exchange.authorise('admin')
    if (wireKindOf(name) === undefined && kind === undefined) {
      throw new Failure('argument-invalid', `unknown kind of job "${name.slice(0, 64)}"`)
    }
    const why = kind === undefined ? 'not built yet' : 'not started this way'
    throw new Failure('not-implemented', `jobs of kind ${wireName} are ${why}`)
  }
  const fields = new Fields(isJsonObject(message.value) ? message.value : {}, 'value')
  const flags = fields.integer('flags', { min: 0, max: 2 ** 31 }) ?? 0
  const latest = Object.hasOwn(kind.args.properties, 'latest') && (flags & LATEST_FLAG) !== 0
  const ofKey = Object.hasOwn(kind.args.properties, 'key') && message.name !== ''
  const job = await service.order(
    {
      kind: kind.name,
      ...(bucket === undefined ? {} : { bucket: formatBucket(bucket) }),
      args: { ...(latest ? { latest: true } : {}), ...(ofKey ? { key: message.name } : {}) },
    },
    caller,
  )
  sendId(exchange, job)
}

/**
 * Stops what the caller may stop. Answers 200 also when nothing was there to stop, as AIStore does.
 *
 * @throws Failure `access-denied` where only jobs of others were there
 */
async function stopJobs(
  exchange: Exchange,
  message: ActionMessage,
  { service, caller }: Parties,
): Promise<void> {
  const query = decodeJobQuery(message.value)
  if (query.id === '' && query.kind === '') {
    throw new Failure('argument-invalid', 'stop needs the id or the kind of a job')
  }
  if (query.id === '' && kindForWire(service, query.kind) === undefined) {
    if (wireKindOf(query.kind) !== undefined) return exchange.sendEmpty(200)
    throw new Failure('argument-invalid', `unknown kind of job "${query.kind.slice(0, 64)}"`)
  }
  const jobs = await findJobs(service, { ...query, activeOnly: true }, caller)
  let stopped = 0
  let denied: unknown
  for (const { id } of jobs) {
    try {
      await service.change(id, 'abort', caller)
      stopped += 1
    } catch (error) {
      // Who reads a bucket sees the jobs of others in it.
      if (!isFailure(error, 'access-denied')) throw error
      denied = error
    }
  }
  if (stopped === 0 && denied !== undefined) throw denied
  exchange.sendEmpty(200)
}

/** The id alone, as text: so AIStore answers whatever starts a job. */
export function sendId(exchange: Exchange, job: JobRecord): void {
  exchange.sendBytes(Buffer.from(job.id), 'text/plain; charset=utf-8')
}
