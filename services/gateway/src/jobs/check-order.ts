import { Failure, isFailure } from '@forebay/base/failure'
import { checkArgs, checkSchema } from '@forebay/jobs/check-schema'
import type { JobOrder, JsonObject } from '@forebay/jobs/job'
import type { JobKind } from '@forebay/jobs/kind'
import { ORDER_SCHEMA, type WantedOrder } from '@forebay/jobs/order-schema'
import type { BucketRef } from '@forebay/model/bucket'
import {
  checkBucketName,
  type NamedBucket,
  parseBucketUrl,
  parseProvider,
} from '@forebay/wire/bucket'
import type { JobCaller } from './job-caller.ts'

/**
 * An order as an engine takes it, when it is well formed and the caller may give it.
 *
 * @param body what the caller sent: `{kind, bucket, args, description, priority, limits}`
 * @throws Failure `argument-invalid` | `access-denied` | `bucket-*` | `backend-*`
 */
export async function checkOrder(
  body: unknown,
  kinds: readonly JobKind[],
  caller: JobCaller,
): Promise<JobOrder> {
  const wanted = checkSchema(ORDER_SCHEMA, body)
  const kind = findKind(kinds, wanted.kind)
  const args = checkArgs(kind, wanted.args ?? {})
  const bucket = await openSource(kind, wanted.bucket, caller)
  await requireDestination(kind, args, caller)
  return {
    kind: kind.name,
    bucket,
    args,
    description: wanted.description,
    user: caller.user,
    priority: wanted.priority,
    limits: wanted.limits,
  }
}

/**
 * Looks at an order that was given before as if the caller gave it now.
 *
 * @throws Failure as `checkOrder`
 */
export async function recheckOrder(
  order: JobOrder,
  kinds: readonly JobKind[],
  caller: JobCaller,
): Promise<void> {
  const kind = findKind(kinds, order.kind)
  const args = checkArgs(kind, order.args)
  await openSource(kind, order.bucket, caller)
  await requireDestination(kind, args, caller)
}

/** @throws Failure `argument-invalid` that lists what kinds there are */
export function findKind(kinds: readonly JobKind[], name: string): JobKind {
  const kind = kinds.find((one) => one.name === name)
  if (kind !== undefined) return kind
  const known = kinds.map((one) => one.name).join(', ')
  throw new Failure(
    'argument-invalid',
    `there is no kind of job "${name.slice(0, 64)}"; there are ${known}`,
  )
}

/** @throws Failure `access-denied` unless the caller may give this order again */
export async function requireRight(
  kind: JobKind,
  job: Pick<JobOrder, 'bucket' | 'args'>,
  caller: JobCaller,
): Promise<void> {
  const need = job.bucket === undefined ? 'admin' : kind.need
  if (!caller.may(need, job.bucket)) throw denied(kind)
  await requireDestination(kind, job.args, caller)
}

async function openSource(
  kind: JobKind,
  bucket: WantedOrder['bucket'],
  caller: JobCaller,
): Promise<BucketRef | undefined> {
  if (bucket === undefined) {
    if (kind.bucket === 'required') {
      throw new Failure('argument-invalid', `bucket must be given: ${kind.name} works on one`)
    }
    // Without a bucket it concerns the node and everything on it.
    if (!caller.may('admin')) throw denied(kind)
    return undefined
  }
  if (kind.bucket === 'none') {
    throw new Failure('argument-invalid', `bucket must not be given: ${kind.name} has none`)
  }
  return (await caller.open(readBucket(bucket), kind.need)).ref
}

/** Whoever may make buckets may name a native one that is not there yet: the job makes it. */
async function requireDestination(
  kind: JobKind,
  args: JsonObject,
  caller: JobCaller,
): Promise<void> {
  const { needAtDestination } = kind
  const to = args['to']
  if (needAtDestination === undefined || typeof to !== 'string') return
  const destination = parseBucketUrl(to)
  try {
    await caller.open(destination, needAtDestination)
  } catch (error) {
    const isMade = destination.provider === 'ais' && isFailure(error, 'bucket-not-found')
    if (!isMade || !caller.may('admin')) throw error
  }
}

/** @throws Failure `argument-invalid` | `bucket-name-invalid` */
export function readBucket(bucket: NonNullable<WantedOrder['bucket']>): NamedBucket {
  if (typeof bucket === 'string') return parseBucketUrl(bucket)
  const { name, provider = '', namespace } = bucket
  return {
    name: checkBucketName(name),
    provider: provider === '' ? undefined : parseProvider(provider),
    namespace: { uuid: namespace?.uuid ?? '', name: namespace?.name ?? '' },
  }
}

function denied(kind: JobKind): Failure {
  return new Failure('access-denied', `you may not order ${kind.name} here`, {
    hint: 'Ask an administrator for a policy that allows it (setting auth.users).',
  })
}
