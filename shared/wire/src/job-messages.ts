import { Failure } from '@forebay/base/failure'
import type { BucketRef } from '@forebay/model/bucket'
import { checkBucketName, encodeBucket, parseNamespace, parseProvider } from './bucket.ts'
import { Fields } from './fields.ts'
import { isJsonObject, type Json, type JsonObject } from './json.ts'

/** Names in one message; the body of a request bounds them before. */
const NAMES_MAX = 1_000_000

/** A job as AIStore's clients are told of it. */
export interface WireJob {
  readonly id: string
  /** AIStore's word. */
  readonly kind: string
  readonly bucket: BucketRef | undefined
  readonly destination: BucketRef | undefined
  readonly startedMs: number
  /** Absent while it goes on. */
  readonly endedMs: number | undefined
  readonly aborted: boolean
  /** Empty: nothing went wrong. */
  readonly error: string
  readonly description: string | undefined
  /** Items at once on one node; 0: as many as it sees fit. */
  readonly workers: number
  readonly objects: number
  readonly bytes: number
}

/** What a client asks for or about: jobs of a kind, a bucket, an id. */
export interface JobQuery {
  readonly id: string
  readonly kind: string
  readonly bucket: BucketRef | undefined
  /** True: only those that have not ended. */
  readonly activeOnly: boolean
}

/** AIStore's message about a selection of objects; none of both: the whole bucket. */
export interface ObjectSelection {
  readonly names: readonly string[] | undefined
  readonly template: string | undefined
  /** 0: as many as the node sees fit. */
  readonly workers: number
  readonly continueOnError: boolean
  /** Only what is directly under the prefix, and not below it. */
  readonly flat: boolean
}

/** Status of one job (`what=status`). Times are nanoseconds. */
export function encodeJobStatus(job: WireJob): JsonObject {
  return {
    kind: job.kind,
    uuid: job.id,
    err: job.error,
    end_time: job.endedMs === undefined ? 0 : job.endedMs * 1_000_000,
    aborted: job.aborted,
  }
}

/** What one node did of a job (`what=qryxstats`). */
export function encodeJobSnapshot(job: WireJob): JsonObject {
  const bucket = encodeJobBucket(job.bucket)
  return {
    ext: null,
    'start-time': new Date(job.startedMs).toISOString(),
    'end-time': job.endedMs === undefined ? ZERO_TIME : new Date(job.endedMs).toISOString(),
    bck: bucket,
    'src-bck': bucket,
    'dst-bck': encodeJobBucket(job.destination),
    id: job.id,
    kind: job.kind,
    ...(job.description === undefined ? {} : { ctlmsg: job.description }),
    'abort-err': job.aborted ? job.error : '',
    err: job.aborted ? '' : job.error,
    // Bits 10 to 19 are the workers.
    'glob.id': String(Math.min(job.workers, 1023) * 1024),
    stats: {
      'loc-objs': String(job.objects),
      'loc-bytes': String(job.bytes),
      'out-objs': '0',
      'out-bytes': '0',
      'in-objs': '0',
      'in-bytes': '0',
    },
    aborted: job.aborted,
    is_idle: job.endedMs !== undefined,
  }
}

/** Go's zero time: it has not happened. */
const ZERO_TIME = '0001-01-01T00:00:00Z'

/** @throws Failure `argument-invalid` | `bucket-name-invalid` */
export function decodeJobQuery(value: Json | undefined): JobQuery {
  const fields = new Fields(isJsonObject(value) ? value : {}, 'value')
  return {
    id: fields.text('id') ?? '',
    kind: fields.text('kind') ?? '',
    bucket: decodeJobBucket(fields.nested('bck')),
    activeOnly: fields.flag('show_active') === true || fields.flag('OnlyRunning') === true,
  }
}

/** A bucket of a message; absent where it has no name. @throws Failure `argument-invalid` */
export function decodeJobBucket(fields: Fields | undefined): BucketRef | undefined {
  const name = fields?.text('name') ?? ''
  if (fields === undefined || name === '') return undefined
  const provider = fields.text('provider') ?? ''
  const namespace = fields.json('namespace')
  return {
    name: checkBucketName(name),
    provider: provider === '' ? 'ais' : parseProvider(provider),
    namespace: isJsonObject(namespace)
      ? namespaceOf(new Fields(namespace, 'namespace'))
      : parseNamespace(typeof namespace === 'string' ? namespace : ''),
  }
}

/** @throws Failure `argument-invalid` */
export function decodeSelection(fields: Fields): ObjectSelection {
  const names = fields.texts('objnames', NAMES_MAX)
  const template = fields.text('template') ?? ''
  const hasNames = names !== undefined && names.length > 0
  if (hasNames && template !== '') {
    throw new Failure('argument-invalid', 'give objnames or a template, not both')
  }
  return {
    names: hasNames ? names : undefined,
    template: template === '' || template === '*' ? undefined : template,
    workers: Math.max(0, fields.integer('num-workers', { min: -1, max: 1024 }) ?? 0),
    continueOnError: fields.flag('coer') ?? false,
    flat: fields.flag('non-recurs') ?? false,
  }
}

function namespaceOf(fields: Fields): BucketRef['namespace'] {
  return { uuid: fields.text('uuid') ?? '', name: fields.text('name') ?? '' }
}

function encodeJobBucket(bucket: BucketRef | undefined): JsonObject {
  if (bucket !== undefined) return encodeBucket(bucket)
  return { name: '', provider: '', namespace: { uuid: '', name: '' } }
}
