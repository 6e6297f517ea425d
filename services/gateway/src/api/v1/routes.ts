import { Failure } from '@forebay/base/failure'
import { answerEvents } from '../events/answer-events.ts'
import { type RawAddress, splitPath } from './address.ts'
import { answerRoute } from './api-route.ts'
import {
  createBucket,
  destroyBucket,
  evictBucket,
  headBucket,
  listBuckets,
  resetProperties,
  setProperties,
} from './buckets.ts'
import { answerClusterJobs, isJobQuestion } from './cluster-jobs.ts'
import { answerDaemon } from './daemon.ts'
import { answerDownload } from './download-forms.ts'
import type { Exchange } from './exchange.ts'
import { answerHealth } from './health.ts'
import { destroyInventory, showInventory } from './inventories.ts'
import { answerJobAction } from './job-actions.ts'
import { JOB_ROUTES } from './jobs.ts'
import { listObjects } from './list-objects.ts'
import { changeMountpath } from './mountpaths.ts'
import { DOCUMENT_ROUTES } from './openapi.ts'
import {
  answerBuckets,
  answerConfig,
  answerExplain,
  answerLog,
  answerMetrics,
  answerProperties,
  answerStatus,
} from './own.ts'
import { getMembers, wantsMembers } from './read-members.ts'
import { getObject, headObject } from './read-object.ts'
import { readAction } from './request-body.ts'
import { answerScrub } from './scrub.ts'
import { getSummary, headSummary } from './summaries.ts'
import { deleteObject, postObject, putObject, refuseAction } from './write-object.ts'

/** Families of AIStore's paths that are not built here. */
const UNBUILT_FAMILIES: ReadonlySet<string> = new Set([
  'cluster',
  'reverse',
  'download',
  'sort',
  'etl',
  'ml',
  'tokens',
  'xactions',
])

/** Answers one request of the native door. Failures are thrown. */
export async function routeV1(exchange: Exchange): Promise<void> {
  const { rawPath, method } = exchange
  const [, , family = '', second = ''] = rawPath.split('/', 4)
  if (rawPath === '/metrics') return only(exchange, ['GET'], () => answerMetrics(exchange))
  // AIStore's command line goes through a gateway: the node that it means is this one.
  if (rawPath === '/v1/reverse/daemon/mountpaths') return changeMountpath(exchange)
  switch (family) {
    case 'health':
      return only(exchange, ['GET', 'HEAD'], () => answerHealth(exchange))
    case 'daemon':
      if (method === 'GET' && second === '') return answerDaemon(exchange)
      if (rawPath === '/v1/daemon/mountpaths') return changeMountpath(exchange)
      return refuseFamily(exchange, family)
    case 'forebay':
      if (second === 'scrub') return answerScrub(exchange)
      if (second === 'events') return answerEvents(exchange)
      return only(exchange, ['GET'], () => routeOwn(exchange, second))
    case 'buckets':
      return routeBuckets(exchange, splitPath(rawPath, '/v1/buckets/'))
    case 'objects':
      return routeObject(exchange, splitPath(rawPath, '/v1/objects/'))
    case 'jobs':
    case 'schedules':
      return answerRoute(JOB_ROUTES, exchange)
    case 'openapi.json':
    case 'docs':
      return answerRoute(DOCUMENT_ROUTES, exchange)
    case 'cluster':
      if (isJobQuestion(exchange)) return answerClusterJobs(exchange)
      return refuseFamily(exchange, family)
    case 'download':
      if (exchange.context.jobs !== undefined) return answerDownload(exchange)
      return refuseFamily(exchange, family)
    default:
      return refuseFamily(exchange, family)
  }
}

async function routeOwn(exchange: Exchange, what: string): Promise<void> {
  switch (what) {
    case 'status':
      return answerStatus(exchange)
    case 'config':
      return answerConfig(exchange)
    case 'explain':
      return answerExplain(exchange)
    case 'buckets':
      return answerBuckets(exchange)
    case 'properties':
      return answerProperties(exchange)
    case 'log':
      return answerLog(exchange)
    default:
      throw noSuchPath()
  }
}

async function routeBuckets(exchange: Exchange, address: RawAddress): Promise<void> {
  const { bucket, key } = address
  const { method } = exchange
  if (bucket === '') return only(exchange, ['GET'], () => routeBucketRead(exchange, ''))
  // Only a summary may be of a prefix.
  if (method === 'HEAD' && exchange.query.has('bsumm_remote')) return headSummary(exchange, address)
  if (key !== undefined) throw noSuchPath()
  switch (method) {
    case 'HEAD':
      return headBucket(exchange, bucket)
    case 'GET':
      return routeBucketRead(exchange, bucket)
    case 'POST':
    case 'PATCH':
    case 'PUT':
    case 'DELETE':
      return routeBucketChange(exchange, bucket)
    default:
      throw notAllowed(['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'])
  }
}

async function routeBucketRead(exchange: Exchange, bucket: string): Promise<void> {
  const message = await readAction(exchange.raw, exchange.signal)
  const action = message?.action ?? 'list'
  if (message !== undefined && exchange.context.jobs !== undefined) {
    if (action === 'summary-bck') return getSummary(exchange, bucket, message)
    if (action === 'show-inventory' && bucket !== '')
      return showInventory(exchange, bucket, message)
  }
  if (action !== 'list') refuseAction(action, ['summary-bck', 'summary-shard', 'show-inventory'])
  if (bucket === '') listBuckets(exchange, message)
  else await listObjects(exchange, bucket, message)
}

/** Actions that AIStore has per method; those without a handler here are answered with 501. */
const BUCKET_ACTIONS: Readonly<Record<string, readonly string[]>> = {
  POST: [
    'create-bck',
    'move-bck',
    'copy-bck',
    'etl-bck',
    'copy-listrange',
    'etl-listrange',
    'prefetch-listrange',
    'make-n-copies',
    'ec-encode',
    'rechunk',
    'index-shard',
    'create-inventory',
  ],
  PUT: ['archive'],
  PATCH: ['set-bprops', 'reset-bprops'],
  DELETE: [
    'destroy-bck',
    'evict-remote-bck',
    'delete-listrange',
    'evict-listrange',
    'destroy-inventory',
  ],
}

async function routeBucketChange(exchange: Exchange, bucket: string): Promise<void> {
  const message = await readAction(exchange.raw, exchange.signal)
  if (message === undefined) {
    throw new Failure('bad-request', 'the request needs a body {"action", "name", "value"}')
  }
  switch (`${exchange.method} ${message.action}`) {
    case 'POST create-bck':
      return createBucket(exchange, bucket, message)
    case 'PATCH set-bprops':
      return setProperties(exchange, bucket, message)
    case 'PATCH reset-bprops':
      return resetProperties(exchange, bucket)
    case 'DELETE destroy-bck':
      return destroyBucket(exchange, bucket)
    case 'DELETE evict-remote-bck':
      return evictBucket(exchange, bucket)
    case 'DELETE destroy-inventory':
      return destroyInventory(exchange, bucket)
    default:
      if (await answerJobAction(exchange, bucket, message)) return
      return refuseAction(message.action, BUCKET_ACTIONS[exchange.method] ?? [])
  }
}

async function routeObject(exchange: Exchange, address: RawAddress): Promise<void> {
  switch (exchange.method) {
    case 'GET':
      if (wantsMembers(exchange)) return getMembers(exchange, address)
      return getObject(exchange, address)
    case 'HEAD':
      return headObject(exchange, address)
    case 'PUT':
      return putObject(exchange, address)
    case 'POST':
      return postObject(exchange, address)
    case 'DELETE':
      return deleteObject(exchange, address)
    case 'PATCH':
      throw new Failure('not-implemented', 'changing custom metadata is not built yet')
    default:
      throw notAllowed(['GET', 'HEAD', 'PUT', 'POST', 'PATCH', 'DELETE'])
  }
}

/** A family of AIStore's that is not built: refused, and to change it nobody but an admin is told so. */
function refuseFamily(exchange: Exchange, family: string): never {
  const known = UNBUILT_FAMILIES.has(family) || family === 'daemon'
  if (!known) throw noSuchPath()
  exchange.authorise(exchange.method === 'GET' || exchange.method === 'HEAD' ? 'read' : 'admin')
  throw new Failure('not-implemented', `/v1/${family} is not built yet`)
}

async function only(
  exchange: Exchange,
  methods: readonly string[],
  work: () => Promise<void> | void,
): Promise<void> {
  if (!methods.includes(exchange.method)) throw notAllowed(methods)
  await work()
}

function notAllowed(methods: readonly string[]): Failure {
  return new Failure('method-not-allowed', `this path takes ${methods.join(', ')}`, {
    facts: { allow: methods.join(', ') },
  })
}

function noSuchPath(): Failure {
  return new Failure('uri-invalid', 'there is no such path on this door')
}
