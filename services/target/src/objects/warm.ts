/** An object into the cache for nobody in particular: a read whose bytes are not sent. */
import { Failure, isFailure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import type { WarmAnswer, WarmRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { freshForMs } from './freshness.ts'
import { metered } from './metered.ts'
import { readCached } from './read.ts'
import type { ReadAnswer } from './read-answer.ts'

/** How often it begins anew when the object changes, or was not worth keeping at first sight. */
const WARM_ATTEMPTS = 5

/**
 * Brings an object whole into the cache. An entry that is whole counts as current when it is fresh or
 * of the version that was listed, and costs no request; a partial one is completed.
 *
 * Being asked for by name is a second request of a bucket that admits at the second one.
 *
 * @throws Failure as `TargetPort.warm`
 */
export async function warmObject(
  context: ObjectContext,
  request: WarmRequest,
): Promise<WarmAnswer> {
  const { bucket, key, listed, signal } = request
  signal.throwIfAborted()
  if (bucket.backend === undefined) {
    throw new Failure(
      'bucket-not-remote',
      `${formatBucket(bucket.ref)} has no backend: its objects are here already`,
    )
  }
  if (context.propertiesOf(bucket).cache === 'bypass') return { kind: 'not-kept' }
  const before = context.store.get(bucket.id, key)
  if (isCurrent(context, request, before)) return { kind: 'cached' }
  const sizeBytes = listed?.sizeBytes
  if (before === undefined && sizeBytes !== undefined && !admits(context, request, sizeBytes)) {
    return { kind: 'not-kept' }
  }
  request.check?.()
  return readIn(context, request, presentBytes(before))
}

async function readIn(
  context: ObjectContext,
  request: WarmRequest,
  presentBytes: number,
): Promise<WarmAnswer> {
  const { signal } = request
  const silent = request.verify === true ? verifying(context) : unheard(context)
  const quiet = metered(overConnections(silent, request), request)
  for (let attempt = 1; ; attempt++) {
    try {
      const answer = await readCached(quiet, { ...request, conditions: {} })
      if (answer !== 'again') {
        const warmed = await arrived(context, request, { answer, presentBytes })
        if (warmed !== undefined) return warmed
      }
    } catch (error) {
      signal.throwIfAborted()
      const refused = isFailure(error, 'slow-down') && error.facts['admitted'] === false
      if (refused && attempt > 1) return { kind: 'not-kept' }
      if (!refused && !isFailure(error, 'backend-changed')) throw error
    }
    if (attempt === WARM_ATTEMPTS) {
      throw new Failure(
        'object-busy',
        `${request.key}: the object changes faster than it is fetched`,
      )
    }
  }
}

/** Waits until what is read is in the cache. @returns undefined when it did not stay there */
async function arrived(
  context: ObjectContext,
  { bucket, key, signal }: WarmRequest,
  { answer, presentBytes }: { readonly answer: ReadAnswer; readonly presentBytes: number },
): Promise<WarmAnswer | undefined> {
  if (answer.kind === 'absent') return { kind: 'absent' }
  // Without conditions and ranges there is no other answer.
  if (answer.kind !== 'found') throw new Failure('internal', `a read ended as ${answer.kind}`)
  const { body, cache, attributes } = answer
  if (cache.status === 'hit' || cache.status === 'revalidated' || cache.status === 'stale') {
    body.close()
    if (context.store.get(bucket.id, key) !== undefined) return { kind: 'cached' }
    // A hit in memory: the disk is slow, and may yet refuse it.
    await context.fills.completion(keyIdOf(bucket, key), signal)
    return context.store.get(bucket.id, key) === undefined ? undefined : { kind: 'cached' }
  }
  if (body.arrive === undefined) {
    body.close()
    return { kind: 'not-kept' }
  }
  await body.arrive(signal)
  await context.fills.completion(keyIdOf(bucket, key), signal)
  const record = context.store.get(bucket.id, key)
  if (record === undefined || record.blocks !== undefined) return undefined
  return { kind: 'fetched', bytes: Math.max(0, attributes.sizeBytes - presentBytes) }
}

function isCurrent(
  context: ObjectContext,
  { bucket, key, listed, latest, verify }: WarmRequest,
  record: ObjectRecord | undefined,
): boolean {
  if (record === undefined || record.blocks !== undefined) return false
  if (verify === true || context.unsettled.isUnsettled(bucket.id, key)) return false
  // The store was asked already: the list is its answer. One without tags is none.
  if (listed !== undefined && listed.etag !== '' && record.attributes.etag === listed.etag) {
    return true
  }
  if (latest === true) return false
  return freshForMs(record, context.propertiesOf(bucket), context.momentOf(bucket)) > 0
}

function admits(context: ObjectContext, { bucket, key }: WarmRequest, sizeBytes: number): boolean {
  return context.store.admits(bucket, key, { sizeBytes })
}

function presentBytes(record: ObjectRecord | undefined): number {
  const { blocks, attributes } = record ?? {}
  if (blocks === undefined || attributes === undefined) return 0
  return blocks.crcs.reduce((sum, crc, index) => {
    if (crc < 0) return sum
    return sum + Math.min(blocks.blockBytes, attributes.sizeBytes - index * blocks.blockBytes)
  }, 0)
}

/** The same, with several connections for objects of any size where that is asked for. */
function overConnections(
  context: ObjectContext,
  { connectionsMax: most, segmentBytes }: WarmRequest,
): ObjectContext {
  if (most === undefined) return context
  return {
    ...context,
    connectionsPerObjectMax: Math.min(context.connectionsPerObjectMax, most),
    segmentBytes,
    propertiesOf: (bucket: Parameters<ObjectContext['propertiesOf']>[0]) => ({
      ...context.propertiesOf(bucket),
      parallelThresholdBytes: 0,
    }),
  }
}

const unheardContexts = new WeakMap<ObjectContext, ObjectContext>()
const verifyingContexts = new WeakMap<ObjectContext, ObjectContext>()

/** The same, but nothing counts as read or served: hits and misses are what users had. */
function unheard(context: ObjectContext): ObjectContext {
  const known = unheardContexts.get(context)
  if (known !== undefined) return known
  const observer = {
    ...context.observer,
    warn: context.observer.warn.bind(context.observer),
    read: () => undefined,
    served: () => undefined,
  }
  const made = { ...context, observer }
  unheardContexts.set(context, made)
  return made
}

/** As of a bucket with `verifyWarm`: what is read is looked at, given up when it is wrong, and mended. */
function verifying(context: ObjectContext): ObjectContext {
  const known = verifyingContexts.get(context)
  if (known !== undefined) return known
  const quiet = unheard(context)
  const made = {
    ...quiet,
    propertiesOf: (bucket: Parameters<ObjectContext['propertiesOf']>[0]) => ({
      ...context.propertiesOf(bucket),
      verifyWarm: true,
    }),
  }
  verifyingContexts.set(context, made)
  return made
}
