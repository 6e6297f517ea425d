/** How the bytes of a version become an answer: of a file, of a fill under way, or from memory. */
import { formatBucket } from '@forebay/model/bucket'
import { judgeRead } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import type { ObjectBody } from '@forebay/peer/bodies'
import type {
  CacheFacts,
  CacheStatus,
  ReadAnswer as DoorAnswer,
  ReadRequest,
} from '@forebay/peer/target-port'
import { SMALL_BODY_DIRECT_BYTES_MAX, STALL_BYTES_MIN } from '../bodies/send-limits.ts'
import { createFileBody, createFollowingBody } from '../bodies/send-range.ts'
import type { ObjectRecord } from '../store/contract.ts'
import { BytesBody } from './bytes-body.ts'
import type { ObjectContext } from './context.ts'
import { expectedDigest } from './expected-digest.ts'
import type { Fill } from './fill.ts'
import { mayStayPartial } from './fill-parts.ts'
import { ageSeconds } from './freshness.ts'
import type { Gathered } from './gathered.ts'
import { type BrokenRead, restFromBackend } from './repair-read.ts'
import { readable, type SourceBody } from './source-body.ts'
import { type WantedRange, wantedRange } from './wanted-range.ts'

type Found = Extract<DoorAnswer, { kind: 'found' }>

/** Objects up to this size are here within milliseconds: a range of one can wait for all of it, bytes. */
const PROVEN_RANGE_BYTES_MAX = 1024 ** 2

/** A read's answer whose bytes can also stay in the process. */
export type ReadAnswer =
  | Exclude<DoorAnswer, { kind: 'found' }>
  | (Omit<Found, 'body'> & { readonly body: SourceBody })

/** What a version answers before any byte of it is needed. */
type Judgement =
  | {
      readonly kind: 'proceed'
      readonly wanted: Exclude<WantedRange, { kind: 'unsatisfiable' }>
      readonly cache: CacheFacts
    }
  | { readonly kind: 'answer'; readonly answer: Exclude<ReadAnswer, { kind: 'found' | 'absent' }> }

/** Conditions first, then the range (RFC 9110 §13.2.2). */
export function judge(
  context: ObjectContext,
  request: ReadRequest,
  version: {
    readonly attributes: ObjectAttributes
    readonly status: CacheStatus
    readonly validatedMs: number
  },
): Judgement {
  const { attributes, status } = version
  const native = request.bucket.backend === undefined
  const cache = { status, ageSeconds: native ? 0 : ageSeconds(version, context.clock.now()) }
  const verdict = judgeRead(request.conditions, attributes)
  if (verdict === 'precondition-failed')
    return { kind: 'answer', answer: { kind: 'precondition-failed' } }
  if (verdict === 'not-modified')
    return { kind: 'answer', answer: { kind: 'not-modified', attributes, cache } }
  const wanted = wantedRange(request, attributes)
  if (wanted.kind === 'unsatisfiable') {
    return { kind: 'answer', answer: { kind: 'unsatisfiable', sizeBytes: attributes.sizeBytes } }
  }
  return { kind: 'proceed', wanted, cache }
}

/** An answer from a whole local file; undefined when the file is not the record's. */
export function answerFromRecord(
  context: ObjectContext,
  request: ReadRequest,
  found: { readonly record: ObjectRecord; readonly status: CacheStatus },
): ReadAnswer | undefined {
  const { record, status } = found
  const { attributes, validatedMs } = record
  const judged = judge(context, request, { attributes, status, validatedMs })
  if (judged.kind === 'answer') return judged.answer
  const lease = context.store.open(record)
  if (lease === undefined) return undefined
  context.store.touch(record)
  const { range, partCount } = toRange(judged.wanted)
  const offset = range?.offset ?? 0
  const lengthBytes = range?.lengthBytes ?? attributes.sizeBytes
  const end = offset + lengthBytes
  context.observer.served(formatBucket(request.bucket.ref), 'cache', lengthBytes)
  const sender = createFileBody({
    lease,
    offset,
    lengthBytes,
    sendfile: context.sendfile,
    limits: stallLimits(context),
    onBroken: (error, at) =>
      restOf(context, request, { record, error, offset: at - lease.offset, end }),
  })
  const start = lease.offset
  const source = { fd: lease.fd, offset: start + offset, waitFor: (at: number) => start + end - at }
  const body = readable(sender, source)
  return { kind: 'found', attributes, range, partCount, body, cache: judged.cache }
}

/** A copy's rest is at the backend; a native object exists nowhere else. */
async function restOf(
  context: ObjectContext,
  request: ReadRequest,
  broken: BrokenRead,
): Promise<ObjectBody | undefined> {
  return request.bucket.backend === undefined
    ? undefined
    : restFromBackend(context, request, broken)
}

/** An answer from a fill; waits for its first byte, so that what fails before it can still start anew. */
export async function answerFromFill(
  context: ObjectContext,
  request: ReadRequest,
  found: { readonly fill: Fill; readonly status: CacheStatus },
): Promise<ReadAnswer> {
  const { fill, status } = found
  const { attributes } = fill
  const judged = judge(context, request, { attributes, status, validatedMs: fill.askedMs })
  if (judged.kind === 'answer') return judged.answer
  const { range, partCount } = toRange(judged.wanted)
  const offset = range?.offset ?? 0
  const lengthBytes = range?.lengthBytes ?? attributes.sizeBytes
  const end = offset + lengthBytes
  const isPart = lengthBytes < attributes.sizeBytes
  // What is there in parts has a checksum for each.
  const mayProve = isPart && lengthBytes > 0 && status !== 'partial'
  const proven = mayProve && isProvenFirst(context, request, fill)
  // What must be there for the answer.
  const needed = proven ? { from: 0, to: attributes.sizeBytes } : { from: offset, to: end }
  const reader = fill.join(needed.from, needed.to)
  const wanted = (at: number, held: boolean) => {
    reader.offset = at
    return { offset: at, lengthBytes: needed.to - at, held, whole: proven || !isPart }
  }
  // All of it is withheld until it was verified; then head and body leave together, as of a hit.
  const atOnce = proven || (!isPart && lengthBytes <= SMALL_BODY_DIRECT_BYTES_MAX)
  try {
    // What is there is sent at once: where the rest finds no room, it is too late to read past the cache.
    if (status === 'partial') await fill.findRoom(reader)
    if (atOnce) {
      const { signal } = request
      for (let at = 0; at < needed.to; ) at += await fill.waitFor(wanted(at, false), signal)
    } else if (lengthBytes > 0) await fill.waitFor(wanted(offset, true), request.signal)
    if (attributes.sizeBytes === 0) await fill.waitForAll(request.signal)
  } catch (error) {
    fill.leave(reader)
    throw error
  }
  const from = status === 'partial' ? 'cache' : 'backend'
  context.observer.served(formatBucket(request.bucket.ref), from, lengthBytes)
  const source = {
    fd: fill.fd,
    waitFor: (at: number, signal: AbortSignal) => fill.waitFor(wanted(at, false), signal),
  }
  const options = {
    offset,
    lengthBytes,
    sendfile: context.sendfile,
    limits: stallLimits(context),
  }
  const onClose = (): void => fill.leave(reader)
  const sender = atOnce
    ? createFileBody({ ...options, lease: { fd: fill.fd, offset: 0, release: onClose } })
    : createFollowingBody({
        ...options,
        source: {
          fd: fill.fd,
          waitFor: (at, signal) => fill.waitFor(wanted(at, true), signal),
          copyHeld: (at, into) => {
            reader.offset = at
            return fill.copyHeld(at, into)
          },
        },
        onClose,
      })
  const body = readable(sender, { ...source, offset })
  return { kind: 'found', attributes, range, partCount, body, cache: judged.cache }
}

/**
 * Whether a range waits until the whole was verified. A whole body with a wrong byte is cut before its
 * end; of a range that byte may be all that is asked for, and nobody would see it.
 */
function isProvenFirst(context: ObjectContext, { bucket }: ReadRequest, fill: Fill): boolean {
  if (fill.attributes.sizeBytes > PROVEN_RANGE_BYTES_MAX) return false
  if (mayStayPartial(context.propertiesOf(bucket), fill)) return false
  return expectedDigest(fill.attributes) !== undefined
}

/** An answer from an object in memory. */
export function answerFromMemory(
  context: ObjectContext,
  request: ReadRequest,
  found: { readonly gathered: Gathered; readonly status: CacheStatus },
): ReadAnswer {
  const { gathered, status } = found
  const { attributes, askedMs, bytes } = gathered
  const judged = judge(context, request, { attributes, status, validatedMs: askedMs })
  if (judged.kind === 'answer') return judged.answer
  const { range, partCount } = toRange(judged.wanted)
  const part =
    range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.lengthBytes)
  const from = status === 'hit' ? 'cache' : 'backend'
  context.observer.served(formatBucket(request.bucket.ref), from, part.length)
  const { sendfile } = context
  const body = new BytesBody(part, { sendfile, limits: stallLimits(context) })
  return { kind: 'found', attributes, range, partCount, body, cache: judged.cache }
}

function stallLimits(context: ObjectContext) {
  return { stallTimeoutMs: context.writeStallTimeoutMs, stallBytesMin: STALL_BYTES_MIN }
}

function toRange(wanted: Exclude<WantedRange, { kind: 'unsatisfiable' }>) {
  return wanted.kind === 'whole'
    ? { range: undefined, partCount: undefined }
    : { range: wanted.range, partCount: wanted.partCount }
}
