import { Failure } from '@forebay/base/failure'
import type { JsonObject } from '@forebay/jobs/job'
import { type BucketRecord, type BucketRef, formatBucket } from '@forebay/model/bucket'
import { type ActionMessage, valueFields } from '@forebay/wire/action'
import { parseUname } from '@forebay/wire/bucket'
import type { Fields } from '@forebay/wire/fields'
import { decodeJobBucket, decodeSelection, type ObjectSelection } from '@forebay/wire/job-messages'
import { wantedBucket } from './address.ts'
import { sendId } from './cluster-jobs.ts'
import type { Exchange } from './exchange.ts'
import { jobCallerOf } from './job-caller.ts'
import { serviceOf } from './jobs.ts'
import { requireKind } from './wire-jobs.ts'

/** What a message of AIStore's asks of one of our kinds. */
interface Translated {
  readonly args: JsonObject
  readonly selection?: ObjectSelection | undefined
}

type Translate = (exchange: Exchange, value: Fields, bucket: BucketRef) => Translated

/** AIStore's actions on a bucket that begin a job, by method and word. */
const ACTIONS: Readonly<Record<string, Translate>> = {
  'POST prefetch-listrange': translatePrefetch,
  'POST copy-bck': translateCopyBucket,
  'POST move-bck': (exchange) => ({ args: { to: formatBucket(destinationOf(exchange)) } }),
  'POST copy-listrange': translateCopyObjects,
  // Ours is of the whole bucket, and has every prefix.
  'POST create-inventory': () => ({ args: {} }),
  'PUT archive': translateArchive,
  'DELETE delete-listrange': translateDelete,
  'DELETE evict-listrange': translateEvict,
}

/**
 * Answers an action on a bucket by ordering a job, whose id is the answer.
 *
 * @returns false when the action begins no job, or this node has no jobs
 * @throws Failure `not-implemented` for a kind that is not in the catalogue
 */
export async function answerJobAction(
  exchange: Exchange,
  rawName: string,
  message: ActionMessage,
): Promise<boolean> {
  const translate = ACTIONS[`${exchange.method} ${message.action}`]
  if (translate === undefined || exchange.context.jobs === undefined) return false
  const service = serviceOf(exchange)
  const caller = jobCallerOf(exchange)
  const wanted = wantedBucket(exchange, rawName)
  const kind = requireKind(service, message.action)
  const { ref, backend } = await caller.open(wanted, kind.need)
  const { args, selection } = translate(exchange, valueFields(message), ref)
  if (NEEDS_BACKEND.has(message.action) && backend === undefined) {
    throw new Failure('bucket-not-remote', `bucket "${ref.name}" has no backend`)
  }
  const job = await service.order(
    { kind: kind.name, bucket: formatBucket(ref), args, limits: limitsOf(selection) },
    caller,
  )
  sendId(exchange, job)
  return true
}

/** How long the eviction of a whole bucket is waited for, ms: AIStore's clients wait 20 s for an answer. */
const EVICT_WAIT_MS = 15_000

/**
 * `evict-remote-bck` that keeps the bucket: a job over all of it. It is answered when the job has ended;
 * one that takes longer goes on behind the answer.
 *
 * @throws Failure `not-implemented` on a node without jobs; `unavailable` when objects stayed
 */
export async function evictObjects(exchange: Exchange, { ref }: BucketRecord): Promise<void> {
  const service = serviceOf(exchange)
  const { name } = requireKind(service, 'evict-listrange')
  const caller = jobCallerOf(exchange)
  const { id } = await service.order({ kind: name, bucket: formatBucket(ref) }, caller)
  const timeout = AbortSignal.timeout(EVICT_WAIT_MS)
  const signal = AbortSignal.any([timeout, service.closing, exchange.signal])
  const job = await service.untilEnded(id, caller, signal).catch((error: unknown) => {
    if (timeout.aborted) return undefined
    throw error
  })
  if (job !== undefined && job.state !== 'finished') {
    throw new Failure('unavailable', `objects stayed in the cache: job ${id} tells which and why`)
  }
  exchange.sendEmpty(200)
}

const NEEDS_BACKEND: ReadonlySet<string> = new Set([
  'prefetch-listrange',
  'evict-listrange',
  'create-inventory',
])

function translatePrefetch(_exchange: Exchange, value: Fields): Translated {
  const selection = decodeSelection(value)
  const keys = keysOf(selection)
  const isLatest = value.flag('latest-ver') === true
  return { args: isLatest ? { ...keys, latest: true } : keys, selection }
}

function translateDelete(_exchange: Exchange, value: Fields): Translated {
  const selection = decodeSelection(value)
  const { names, template } = selection
  const isAll = names === undefined && template === undefined
  return { args: { ...keysOf(selection), ...(isAll ? { all: true } : {}) }, selection }
}

function translateEvict(_exchange: Exchange, value: Fields): Translated {
  const selection = decodeSelection(value)
  return { args: keysOf(selection), selection }
}

function translateCopyBucket(exchange: Exchange, value: Fields, bucket: BucketRef): Translated {
  const to = destinationOf(exchange)
  const dryRun = value.flag('dry_run') === true
  if (formatBucket(to) === formatBucket(bucket) && !dryRun) {
    throw new Failure('argument-invalid', `cannot copy bucket "${bucket.name}" onto itself`)
  }
  const prefix = value.text('prefix') ?? ''
  const selection = { ...decodeSelection(value), names: undefined, template: undefined }
  const args = {
    ...copyArgs(value, to),
    ...(prefix === '' ? {} : { prefix }),
    ...(selection.flat ? { flat: true } : {}),
  }
  return { args, selection }
}

function translateCopyObjects(_exchange: Exchange, value: Fields): Translated {
  const to = decodeJobBucket(value.nested('tobck'))
  if (to === undefined) throw new Failure('argument-invalid', 'value.tobck must name a bucket')
  const selection = decodeSelection(value)
  return { args: { ...copyArgs(value, to), ...keysOf(selection) }, selection }
}

function copyArgs(value: Fields, to: BucketRef): JsonObject {
  if (Object.keys(value.nested('ext')?.except([]) ?? {}).length > 0) {
    throw new Failure('not-implemented', 'copying with other extensions is not built yet')
  }
  const prepend = value.text('prepend') ?? ''
  const set = (name: string, isSet: boolean | undefined): JsonObject =>
    isSet === true ? { [name]: true } : {}
  return {
    to: formatBucket(to),
    ...(prepend === '' ? {} : { prepend }),
    ...set('latest', value.flag('latest-ver')),
    ...set('sync', value.flag('synchronize')),
    ...set('dryRun', value.flag('dry_run')),
  }
}

/** AIStore's word for the format to ours. */
const FORMATS: Readonly<Record<string, string>> = {
  '.tar': 'tar',
  '.tgz': 'tgz',
  '.tar.gz': 'tgz',
  '.tar.lz4': 'tar.lz4',
  '.zip': 'zip',
}

function translateArchive(_exchange: Exchange, value: Fields, bucket: BucketRef): Translated {
  const selection = decodeSelection(value)
  const to = decodeJobBucket(value.nested('tobck')) ?? bucket
  const mime = value.text('mime') ?? ''
  const format = FORMATS[mime.startsWith('.') ? mime : `.${mime}`]
  const names = memberNamesOf(value)
  return {
    args: {
      ...keysOf(selection),
      to: formatBucket(to),
      // Ours are numbered by `%06d`; in AIStore a percent sign is one.
      name: value.text('archname') ?? '',
      ...(format === undefined ? {} : { format }),
      ...(names === undefined ? {} : { memberNames: names }),
      ...(value.flag('aate') === true ? { append: true } : {}),
      ...(selection.continueOnError ? { onMissing: 'skip' } : {}),
    },
    selection,
  }
}

function memberNamesOf(value: Fields): string | undefined {
  if (value.flag('isbn') === true) return 'bucket-key'
  return value.flag('bnonly') === true ? 'base' : undefined
}

/** The destination of `copy-bck` and `move-bck`. @throws Failure `argument-invalid` */
function destinationOf(exchange: Exchange): BucketRef {
  const uname = exchange.query.get('bck_to')
  if (uname === undefined || uname === '') {
    throw new Failure('argument-invalid', 'the query bck_to must name the destination')
  }
  return parseUname(uname).ref
}

function keysOf({ names, template, flat }: ObjectSelection): JsonObject {
  // Names and ranges are as they are.
  if (names !== undefined) return { keys: names }
  return { ...(template === undefined ? {} : { template }), ...(flat ? { flat } : {}) }
}

/** Where errors do not let it go on, the first one ends the job. */
function limitsOf(selection: ObjectSelection | undefined): JsonObject {
  if (selection === undefined) return {}
  const { workers, continueOnError } = selection
  return {
    ...(workers > 0 ? { concurrency: workers } : {}),
    ...(continueOnError ? {} : { failuresMax: 0 }),
  }
}
