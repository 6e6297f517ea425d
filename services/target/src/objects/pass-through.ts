import type { ServerResponse } from 'node:http'
import type { BackendBody, ReadResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import { judgeRead } from '@forebay/model/conditions'
import type { ObjectAttributes } from '@forebay/model/object'
import { choosePin, type Pin } from '@forebay/model/version'
import type { CacheFacts, ReadRequest } from '@forebay/peer/target-port'
import { changedMeanwhile } from './changed-meanwhile.ts'
import type { ObjectContext } from './context.ts'
import { checkLength } from './open-fill.ts'
import type { ReadAnswer } from './read-answer.ts'
import type { SourceBody } from './source-body.ts'
import { needsAttributes, wantedRange } from './wanted-range.ts'

const BYPASSED: CacheFacts = { status: 'bypass', ageSeconds: 0 }

/** Answers from the backend and keeps nothing: for `cache: bypass`, and when the cache has no room. */
export async function passThrough(
  context: ObjectContext,
  request: ReadRequest,
): Promise<ReadAnswer> {
  const { bucket, key, signal } = request
  const backend = context.backendOf(bucket)
  if (!needsAttributes(request)) return passWhole(context, request)
  const head = await backend.head({ key, signal })
  if (head.kind === 'absent') return head
  const { attributes } = head
  return passVersion(context, request, { attributes, pin: choosePin(attributes.validators ?? {}) })
}

/**
 * Answers with one version of an object, of which the backend said what it is.
 *
 * @throws Failure `backend-changed` when the backend sends another one
 */
export async function passVersion(
  context: ObjectContext,
  request: ReadRequest,
  version: { readonly attributes: ObjectAttributes; readonly pin: Pin },
): Promise<ReadAnswer> {
  const { bucket, key, signal } = request
  const { attributes, pin } = version
  const verdict = judgeRead(request.conditions, attributes)
  if (verdict === 'precondition-failed') return { kind: 'precondition-failed' }
  if (verdict === 'not-modified') return { kind: 'not-modified', attributes, cache: BYPASSED }
  const wanted = wantedRange(request, attributes)
  if (wanted.kind === 'unsatisfiable')
    return { kind: 'unsatisfiable', sizeBytes: attributes.sizeBytes }
  const range = wanted.kind === 'range' ? wanted.range : undefined
  const result = await context.backendOf(bucket).read({
    key,
    range,
    signal,
    pin: pin.kind === 'none' ? undefined : pin,
  })
  if (result.kind === 'absent') return { kind: 'absent' }
  if (result.kind !== 'found') {
    throw changedMeanwhile(key)
  }
  const partCount = wanted.kind === 'range' ? wanted.partCount : undefined
  const offset = range?.offset ?? 0
  try {
    checkAnswer(request, { head: attributes, result, offset })
  } catch (error) {
    result.body.discard()
    throw error
  }
  const lengthBytes = range?.lengthBytes ?? attributes.sizeBytes
  const part = { skipBytes: offset - result.range.offset, lengthBytes }
  const body = createPassThroughBody(result.body, part, termsOf(context, request))
  return { kind: 'found', attributes, range, partCount, body, cache: BYPASSED }
}

/** What was judged and announced must be what the body is of; without a pin nothing else says so. */
function checkAnswer(
  request: ReadRequest,
  answer: {
    readonly head: ObjectAttributes
    readonly result: Extract<ReadResult, { kind: 'found' }>
    readonly offset: number
  },
): void {
  const { head, result, offset } = answer
  const { etag, lastModifiedMs } = result.attributes
  const same =
    (result.sizeBytes ?? head.sizeBytes) === head.sizeBytes &&
    etag === head.etag &&
    lastModifiedMs === head.lastModifiedMs
  if (!same) throw changedMeanwhile(request.key)
  if (result.range.offset > offset) {
    throw new Failure(
      'backend-corrupt',
      `${request.key}: the backend answered other bytes than asked for`,
    )
  }
}

/** One connection is one version: nothing has to be asked before. */
async function passWhole(context: ObjectContext, request: ReadRequest): Promise<ReadAnswer> {
  const { bucket, key, signal } = request
  const result = await context.backendOf(bucket).read({ key, signal })
  if (result.kind === 'absent') return { kind: 'absent' }
  if (result.kind !== 'found') throw changedMeanwhile(key)
  const { attributes } = result
  try {
    checkLength(key, result)
  } catch (error) {
    result.body.discard()
    throw error
  }
  const part = { skipBytes: 0, lengthBytes: attributes.sizeBytes }
  const body = createPassThroughBody(result.body, part, termsOf(context, request))
  return { kind: 'found', attributes, range: undefined, body, cache: BYPASSED }
}

function termsOf(context: ObjectContext, { bucket }: ReadRequest): Terms {
  return {
    served: (bytes) => context.observer.served(formatBucket(bucket.ref), 'backend', bytes),
    stallTimeoutMs: context.writeStallTimeoutMs,
  }
}

/** A body straight from a backend; `skipBytes` for a backend that sends more than it was asked for. */
export function createPassThroughBody(
  body: BackendBody,
  part: { readonly skipBytes: number; readonly lengthBytes: number },
  terms: Terms,
): SourceBody {
  return {
    lengthBytes: part.lengthBytes,
    take: () => undefined,
    close: () => body.discard(),
    sendTo: (response) => send(response, body, { ...part, ...terms }),
    pump: (write) => pumpPart(body, { ...part, ...terms }, write),
  }
}

/** How a body goes out. */
interface Terms {
  /** Told of the bytes that were handed on. */
  served(bytes: number): void
  /** Longest time without progress of the client, ms. */
  readonly stallTimeoutMs: number
}

interface Part extends Terms {
  readonly skipBytes: number
  readonly lengthBytes: number
}

/** Hands on exactly the part of the body that is wanted. */
async function pumpPart(
  body: BackendBody,
  part: Part,
  write: (chunk: Buffer) => void | Promise<void>,
): Promise<void> {
  let skip = part.skipBytes
  let left = part.lengthBytes
  await body.pump(async (chunk) => {
    const wanted = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, left)
    skip -= Math.min(skip, chunk.length)
    left -= wanted.length
    part.served(wanted.length)
    if (wanted.length > 0) await write(wanted)
  })
  if (left > 0)
    throw new Failure('backend-corrupt', 'the backend sent fewer bytes than it announced')
}

async function send(response: ServerResponse, body: BackendBody, part: Part): Promise<void> {
  const onGone = (): void => body.discard()
  response.once('close', onGone)
  try {
    await pumpPart(body, part, async (chunk) => {
      await writeOut(response, chunk, part.stallTimeoutMs)
    })
    response.removeListener('close', onGone)
    response.end()
  } catch (error) {
    const gone = response.destroyed
    response.destroy()
    throw gone
      ? new Failure('client-gone', 'the client left before the end', { cause: error })
      : error
  }
}

/** Waits where the socket is full, for the bytes themselves: a chunked answer may lose its `drain`. */
async function writeOut(
  response: ServerResponse,
  chunk: Uint8Array,
  stallTimeoutMs: number,
): Promise<void> {
  if (response.destroyed) throw clientGone()
  const written = Promise.withResolvers<void>()
  const isThrough = response.write(chunk, (error) =>
    error == null ? written.resolve() : written.reject(clientGone()),
  )
  if (isThrough) {
    // What comes of it shows at the next write.
    written.promise.catch(() => undefined)
    return
  }
  const onClose = (): void => written.reject(clientGone())
  response.once('close', onClose)
  const timer = setTimeout(
    () => written.reject(new Failure('client-gone', 'the client reads nothing any more')),
    stallTimeoutMs,
  )
  try {
    await written.promise
  } finally {
    clearTimeout(timer)
    response.removeListener('close', onClose)
  }
}

function clientGone(): Failure {
  return new Failure('client-gone', 'the client left before the end')
}
