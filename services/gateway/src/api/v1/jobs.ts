import { Failure } from '@forebay/base/failure'
import { checkSchema } from '@forebay/jobs/check-schema'
import { JOB_STATES, type JobState } from '@forebay/jobs/job'
import { JOB_KINDS } from '@forebay/jobs/kinds/catalogue'
import { SCHEDULE_SCHEMA } from '@forebay/jobs/order-schema'
import { formatBucket } from '@forebay/model/bucket'
import { parseBucketUrl } from '@forebay/wire/bucket'
import type { Json } from '@forebay/wire/json'
import { Type } from 'typebox'
import type { JobChangeAction, JobService } from '../../jobs/job-service.ts'
import { shortenJob, viewSchedule } from '../../jobs/job-view.ts'
import { SMALL_ORDER_BYTES } from '../../jobs/order-turns.ts'
import { type ApiRoute, readQuery } from './api-route.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { streamJob, streamJobs } from './job-events.ts'
import {
  FAILURE_LIST,
  FAILURES_QUERY,
  ID,
  JOB_LIST,
  JOB_LIST_QUERY,
  JOB_VIEW,
  KIND_LIST,
  orderSchemaOf,
  SCHEDULE_LIST,
  SCHEDULE_VIEW,
} from './job-schemas.ts'
import { hasBody, readJson } from './request-body.ts'

/**
 * Body of an order, bytes: 100,000 keys of 80 characters. Reading more would keep other requests
 * waiting; a template or a prefix says the same in a line.
 */
export const ORDER_BYTES_MAX = 8 * 1024 ** 2

/** Longest time that a large body may take once it is its turn, ms: others wait for it. */
const ORDER_BODY_MS_MAX = 60_000

/** Jobs or failures in one answer where nothing is asked for. */
const PAGE_DEFAULT = 100

const EVENT_STREAM = { doc: 'Server-sent events.', contentType: 'text/event-stream' } as const
const NOTHING = { doc: 'Done; no body.' } as const
const names = { id: ID } as const

const ORDER_BODY = orderSchemaOf(JOB_KINDS)
const SCHEDULE_BODY = Type.Object(
  { ...SCHEDULE_SCHEMA.properties, order: ORDER_BODY },
  { additionalProperties: false },
)

function change(action: JobChangeAction, summary: string): ApiRoute {
  return {
    method: 'POST',
    path: `/v1/jobs/{id}/${action}`,
    tag: 'jobs',
    summary,
    names,
    answers: { 200: { doc: 'The job as it is then.', schema: JOB_VIEW } },
    handle: async (exchange, { id = '' }) => {
      const service = serviceOf(exchange)
      const job = await service.change(id, action, jobCallerOf(exchange))
      exchange.sendJson(service.view(shortenJob(job)))
    },
  }
}

/** Jobs and schedules over REST. */
export const JOB_ROUTES: readonly ApiRoute[] = [
  {
    method: 'POST',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'Orders a job; with a header Idempotency-Key once, however often it is sent',
    body: ORDER_BODY,
    answers: { 201: { doc: 'The job.', schema: JOB_VIEW } },
    handle: orderJob,
  },
  {
    method: 'GET',
    path: '/v1/jobs',
    tag: 'jobs',
    summary: 'Jobs that the caller sees, newest first',
    query: JOB_LIST_QUERY,
    answers: { 200: { doc: 'Jobs.', schema: JOB_LIST } },
    handle: listJobs,
  },
  {
    method: 'GET',
    path: '/v1/jobs/kinds',
    tag: 'jobs',
    summary: 'What kinds of jobs there are, with their arguments',
    answers: { 200: { doc: 'Kinds.', schema: KIND_LIST } },
    handle: listKinds,
  },
  {
    method: 'GET',
    path: '/v1/jobs/events',
    tag: 'jobs',
    summary: 'Jobs as they change',
    answers: { 200: EVENT_STREAM },
    handle: (exchange) => streamJobs(exchange, serviceOf(exchange), jobCallerOf(exchange)),
  },
  {
    method: 'GET',
    path: '/v1/jobs/{id}',
    tag: 'jobs',
    summary: 'One job',
    names,
    answers: { 200: { doc: 'The job.', schema: JOB_VIEW } },
    handle: async (exchange, { id = '' }) => {
      const service = serviceOf(exchange)
      exchange.sendJson(service.view(await service.get(id, jobCallerOf(exchange))))
    },
  },
  {
    method: 'DELETE',
    path: '/v1/jobs/{id}',
    tag: 'jobs',
    summary: 'Forgets a job that has ended',
    names,
    answers: { 200: NOTHING },
    handle: async (exchange, { id = '' }) => {
      await serviceOf(exchange).remove(id, jobCallerOf(exchange))
      exchange.sendEmpty(200)
    },
  },
  {
    method: 'GET',
    path: '/v1/jobs/{id}/events',
    tag: 'jobs',
    summary: 'One job as it changes, until it has ended',
    names,
    answers: { 200: EVENT_STREAM },
    handle: (exchange, { id = '' }) =>
      streamJob(exchange, serviceOf(exchange), { id, caller: jobCallerOf(exchange) }),
  },
  {
    method: 'GET',
    path: '/v1/jobs/{id}/failures',
    tag: 'jobs',
    summary: 'Items of a job that failed, in the order of its list',
    names,
    query: FAILURES_QUERY,
    answers: { 200: { doc: 'Failures.', schema: FAILURE_LIST } },
    handle: listFailures,
  },
  change('pause', 'Stops a job where it is'),
  change('resume', 'Lets a paused job go on'),
  change('retry', 'Takes up the items of an ended job that failed'),
  change('abort', 'Ends a job where it is'),
  {
    method: 'GET',
    path: '/v1/schedules',
    tag: 'schedules',
    summary: 'Orders that are given by the clock',
    answers: { 200: { doc: 'Schedules.', schema: SCHEDULE_LIST } },
    handle: async (exchange) => {
      const schedules = await serviceOf(exchange).schedules(jobCallerOf(exchange))
      exchange.sendJson({ schedules: schedules.map(viewSchedule) })
    },
  },
  {
    method: 'PUT',
    path: '/v1/schedules/{id}',
    tag: 'schedules',
    summary: 'Makes a schedule, or replaces one',
    names,
    body: SCHEDULE_BODY,
    answers: { 200: { doc: 'The schedule.', schema: SCHEDULE_VIEW } },
    handle: putSchedule,
  },
  {
    method: 'DELETE',
    path: '/v1/schedules/{id}',
    tag: 'schedules',
    summary: 'Removes a schedule; jobs that it ordered stay',
    names,
    answers: { 200: NOTHING },
    handle: async (exchange, { id = '' }) => {
      await serviceOf(exchange).removeSchedule(id, jobCallerOf(exchange))
      exchange.sendEmpty(200)
    },
  },
]

/** @throws Failure `not-implemented` on a node that has no jobs */
export function serviceOf({ context }: Exchange): JobService {
  if (context.jobs !== undefined) return context.jobs
  throw new Failure('not-implemented', 'this node has no jobs')
}

function orderJob(exchange: Exchange): Promise<void> {
  const service = serviceOf(exchange)
  return withOrder(exchange, service, async (body) => {
    const caller = jobCallerOf(exchange)
    const key = exchange.header('idempotency-key')
    const job = await (key === undefined
      ? service.order(body, caller)
      : service.orderOnce(body, caller, key))
    exchange.sendJson(service.view(shortenJob(job)), 201)
  })
}

/** Reads the body of an order and answers it; a large one when it is its turn, which lasts until then. */
async function withOrder(
  { raw, signal }: Exchange,
  { turns }: JobService,
  answer: (body: Json | undefined) => Promise<void>,
): Promise<void> {
  const isSmall = !hasBody(raw) || Number(raw.headers['content-length']) <= SMALL_ORDER_BYTES
  if (isSmall) return answer(await readJson(raw, signal, ORDER_BYTES_MAX))
  const endTurn = await turns.take(signal)
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(tooLate()), ORDER_BODY_MS_MAX)
  try {
    const body = await readJson(raw, AbortSignal.any([signal, late.signal]), ORDER_BYTES_MAX)
    clearTimeout(timer)
    await answer(body)
  } finally {
    clearTimeout(timer)
    endTurn()
  }
}

function tooLate(): Failure {
  const message = `the body of the order did not come in ${ORDER_BODY_MS_MAX / 1000} s`
  return new Failure('request-timeout', message, { facts: { close: true } })
}

async function listJobs(exchange: Exchange): Promise<void> {
  const service = serviceOf(exchange)
  const { kind, state, bucket, max = PAGE_DEFAULT } = readQuery(exchange, JOB_LIST_QUERY)
  const states = state?.split(',').filter(isJobState)
  const filter = { kind, states, bucket: readBucketFilter(exchange, bucket), max }
  const jobs = await service.list(filter, jobCallerOf(exchange))
  exchange.sendJson({ jobs: jobs.map((job) => service.view(job)) })
}

/** A bucket of the table by any of its names, else as it was written. */
function readBucketFilter({ context }: Exchange, text: string | undefined): string | undefined {
  if (text === undefined) return undefined
  const { name, provider, namespace } = parseBucketUrl(text)
  const exact = context.buckets.find({ provider: provider ?? 'ais', namespace, name })
  const ref = (exact ?? context.buckets.get(name, provider)[0])?.ref
  return formatBucket(ref ?? { provider: provider ?? 'ais', namespace, name })
}

function listKinds(exchange: Exchange): void {
  const service = serviceOf(exchange)
  exchange.authorise('list')
  exchange.sendJson(
    service.kinds.map(({ name, wireName, doc, bucket, need, needAtDestination, args }) => ({
      name,
      wireName: wireName ?? null,
      doc,
      bucket,
      need,
      needAtDestination: needAtDestination ?? null,
      args,
    })),
  )
}

async function listFailures(
  exchange: Exchange,
  { id = '' }: Readonly<Record<string, string>>,
): Promise<void> {
  const { after, max = PAGE_DEFAULT } = readQuery(exchange, FAILURES_QUERY)
  const caller = jobCallerOf(exchange)
  const { failures, next } = await serviceOf(exchange).failures(id, { after, max }, caller)
  exchange.sendJson({
    failures: failures.map(({ key, code, message }) => ({ key, code, message })),
    next: next ?? null,
  })
}

async function putSchedule(
  exchange: Exchange,
  { id = '' }: Readonly<Record<string, string>>,
): Promise<void> {
  const service = serviceOf(exchange)
  return withOrder(exchange, service, async (body) => {
    const { cron, timeZone = 'UTC', order } = checkSchema(SCHEDULE_SCHEMA, body)
    const wanted = { id, cron, timeZone, order }
    exchange.sendJson(viewSchedule(await service.putSchedule(wanted, jobCallerOf(exchange))))
  })
}

function isJobState(text: string): text is JobState {
  return JOB_STATES.some((state) => state === text)
}
