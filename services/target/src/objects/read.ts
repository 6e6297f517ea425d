/**
 * The life of a GET at the owner of the key, top to bottom: the entry if it is whole and current, the
 * backend's word if it is not, and then one fill for all who read the object meanwhile.
 */
import { Failure, isFailure } from '@forebay/base/failure'
import { formatBucket } from '@forebay/model/bucket'
import type { CacheStatus, ReadRequest } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { abortable } from './abortable.ts'
import { type Asked, askBackend } from './ask-backend.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { dropCorrupt } from './drop-corrupt.ts'
import { dropExpired } from './drop-expired.ts'
import { mayStayPartial } from './fill-parts.ts'
import type { Opened } from './fill-table.ts'
import { freshForMs, mayServeStale } from './freshness.ts'
import type { GenerationToken } from './generations.ts'
import { isUnreachable } from './is-unreachable.ts'
import {
  checkAdmission,
  checkFills,
  type Known,
  openSparse,
  openWhole,
  resumeSparse,
} from './open-fill.ts'
import { passThrough, passVersion } from './pass-through.ts'
import {
  answerFromFill,
  answerFromMemory,
  answerFromRecord,
  judge,
  type ReadAnswer,
} from './read-answer.ts'
import { findVersion, withoutVersion } from './read-version.ts'
import { samePin, sameVersion } from './same-version.ts'
import { doubtOf } from './verify-warm.ts'
import { needsAttributes, wantedRange } from './wanted-range.ts'

/** How often one read starts anew when the object changes under it before it sent anything. */
const READ_ATTEMPTS = 5

/** Answers a GET. @throws Failure `backend-*`, `object-corrupt`, `unavailable` when it changes too fast. */
export async function readObject(
  context: ObjectContext,
  request: ReadRequest,
): Promise<ReadAnswer> {
  const { bucket, versionId } = request
  if (versionId !== undefined) return readNamed(context, request)
  if (bucket.backend === undefined) return readNative(context, request)
  if (context.propertiesOf(bucket).cache === 'bypass') return readPast(context, request)
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    try {
      const answer = await readCached(context, request)
      if (answer !== 'again') return count(context, request, answer)
    } catch (error) {
      if (isRoomless(error)) return readPast(context, request)
      if (!isFailure(error, 'backend-changed')) throw error
    }
  }
  // Overwritten again and again: what the backend sends now is an answer, although nothing to keep.
  return readPast(context, request)
}

/** Past the cache. @throws Failure `unavailable` when the object changes too fast even for that */
async function readPast(context: ObjectContext, request: ReadRequest): Promise<ReadAnswer> {
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    try {
      return count(context, request, await passThrough(context, request))
    } catch (error) {
      if (!isFailure(error, 'backend-changed')) throw error
    }
  }
  throw changesTooFast(request)
}

function changesTooFast({ key }: ReadRequest): Failure {
  return new Failure('unavailable', `${key}: the object changes faster than it can be read`, {
    hint: 'try again',
    retryAfterSeconds: 1,
  })
}

/** A version that the client names: from the cache where it is the one kept, else from the backend. */
async function readNamed(context: ObjectContext, request: ReadRequest): Promise<ReadAnswer> {
  const unnamed = withoutVersion(request)
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    const found = await findVersion(context, request)
    if (found.kind === 'current') return readObject(context, unnamed)
    const answer =
      found.kind === 'past'
        ? await passVersion(context, unnamed, found)
        : await readKept(context, unnamed, found.record)
    if (answer !== 'again') return count(context, request, answer)
  }
  throw new Failure('unavailable', `${request.key}: the version could not be read`, {
    retryAfterSeconds: 1,
  })
}

/** The version that is kept; past the cache where its missing blocks find no room. */
async function readKept(
  context: ObjectContext,
  request: ReadRequest,
  record: ObjectRecord,
): Promise<ReadAnswer | 'again'> {
  try {
    return await serveRecord(context, request, { record, status: 'hit' })
  } catch (error) {
    if (!isRoomless(error)) throw error
    return passVersion(context, request, record)
  }
}

/** No room in the cache is no reason to refuse a read, nor is a disk that fails. */
function isRoomless(error: unknown): boolean {
  return isFailure(error, 'out-of-space', 'slow-down', 'disk-error')
}

async function readNative(context: ObjectContext, request: ReadRequest): Promise<ReadAnswer> {
  for (let attempt = 1; attempt <= READ_ATTEMPTS; attempt++) {
    const record = context.store.get(request.bucket.id, request.key)
    if (record === undefined) return { kind: 'absent' }
    const doubt = doubtOf(context, request, record)
    if (doubt !== undefined && !(await doubt)) continue
    const answer = answerFromRecord(context, request, { record, status: 'hit' })
    if (answer !== undefined) return count(context, request, answer)
    // Replaced between look-up and open, or just now: look again.
    const replaced = context.store.replacementOf(record)
    if (replaced !== undefined) {
      await abortable(replaced, request.signal)
      continue
    }
    // The same version without its file is damage.
    if (sameVersion(context.store.get(request.bucket.id, request.key), record)) {
      throw new Failure(
        'object-corrupt',
        `${request.key}: the object's file is missing or damaged`,
        {
          hint: '"forebay scrub status --failures" tells more; put the object again, or delete it',
        },
      )
    }
  }
  throw changesTooFast(request)
}

export async function readCached(
  context: ObjectContext,
  request: ReadRequest,
): Promise<ReadAnswer | 'again'> {
  const { bucket, key } = request
  const record = context.store.get(bucket.id, key)
  if (record === undefined && context.store.isExpired(bucket.id, key)) {
    await dropExpired(context, request)
  }
  const unsettled = context.unsettled.isUnsettled(bucket.id, key)
  const properties = context.propertiesOf(bucket)
  const current = !unsettled && request.latest !== true
  const isFresh = (held: { readonly validatedMs: number }): boolean =>
    freshForMs(held, properties, context.momentOf(bucket)) > 0
  if (record !== undefined && current && isFresh(record)) {
    return serveRecord(context, request, { record, status: 'hit' })
  }
  if (await context.fills.publication(keyIdOf(bucket, key), request.signal)) return 'again'
  const mustAsk = record !== undefined || !current || properties.revalidate.kind === 'always'
  if (!mustAsk) {
    // The disk is slow: what was fetched for others is still there.
    const gathered = context.fills.gathered(keyIdOf(bucket, key))
    if (gathered !== undefined && isFresh({ validatedMs: gathered.askedMs })) {
      return answerFromMemory(context, request, { gathered, status: 'hit' })
    }
    const fill = context.fills.get(keyIdOf(bucket, key))
    if (fill !== undefined && isFresh({ validatedMs: fill.askedMs })) {
      return answerFromFill(context, request, { fill, status: 'miss' })
    }
    if (!needsAttributes(request)) return openAndAnswer(context, request, undefined)
  }
  return askAndAnswer(context, request, { record, unsettled })
}

async function askAndAnswer(
  context: ObjectContext,
  request: ReadRequest,
  entry: { readonly record: ObjectRecord | undefined; readonly unsettled: boolean },
): Promise<ReadAnswer | 'again'> {
  const token = context.generations.begin(keyIdOf(request.bucket, request.key))
  try {
    const asked = await askOrStale(context, request, { ...entry, token })
    return await answerAsked(context, request, { asked, token })
  } finally {
    token.end()
  }
}

async function answerAsked(
  context: ObjectContext,
  request: ReadRequest,
  { asked, token }: { readonly asked: AskedOrStale; readonly token: GenerationToken },
): Promise<ReadAnswer | 'again'> {
  // A write came in between: what was said may be older than what it left behind.
  if (!token.isCurrent()) return 'again'
  switch (asked.kind) {
    case 'again':
      return 'again'
    case 'absent':
      return { kind: 'absent' }
    case 'stale':
      return serveRecord(context, request, { record: asked.record, status: 'stale' })
    case 'confirmed':
      return serveRecord(context, request, { record: asked.record, status: 'revalidated' })
    case 'found': {
      const early = judge(context, request, {
        attributes: asked.attributes,
        status: 'miss',
        validatedMs: asked.askedMs,
      })
      return early.kind === 'proceed'
        ? openAndAnswer(context, request, { ...asked, token })
        : early.answer
    }
    default:
      return asked satisfies never
  }
}

type AskedOrStale = Asked | { readonly kind: 'stale'; readonly record: ObjectRecord }

/** The backend's word, or the stale entry where the bucket allows it and the backend cannot be asked. */
async function askOrStale(
  context: ObjectContext,
  request: ReadRequest,
  entry: {
    readonly record: ObjectRecord | undefined
    readonly unsettled: boolean
    readonly token: GenerationToken
  },
): Promise<AskedOrStale> {
  const { signal } = request
  try {
    const asking = askBackend(context, request, { signal, token: entry.token })
    return await abortable(asking, signal)
  } catch (error) {
    const { record, unsettled } = entry
    const { bucket } = request
    if (
      !isUnreachable(error) ||
      unsettled ||
      request.latest === true ||
      record?.blocks !== undefined
    )
      throw error
    if (record === undefined) throw error
    if (!mayServeStale(record, context.propertiesOf(bucket), context.momentOf(bucket))) throw error
    return { kind: 'stale', record }
  }
}

async function serveRecord(
  context: ObjectContext,
  request: ReadRequest,
  found: { readonly record: ObjectRecord; readonly status: CacheStatus },
): Promise<ReadAnswer | 'again'> {
  const { record } = found
  const doubt = doubtOf(context, request, record)
  if (doubt !== undefined && !(await doubt)) return 'again'
  if (record.blocks !== undefined) return servePartial(context, request, record)
  const answer = answerFromRecord(context, request, found)
  if (answer !== undefined) return answer
  const replaced = context.store.replacementOf(record)
  if (replaced === undefined) await dropCorrupt(context, request, record)
  else await abortable(replaced, request.signal)
  return 'again'
}

async function servePartial(
  context: ObjectContext,
  request: ReadRequest,
  record: ObjectRecord,
): Promise<ReadAnswer | 'again'> {
  const { attributes, validatedMs } = record
  const judged = judge(context, request, { attributes, status: 'partial', validatedMs })
  if (judged.kind === 'answer') return judged.answer
  const running = context.fills.get(keyIdOf(request.bucket, request.key))
  const fits = running !== undefined && samePin(running.pin, record.pin)
  if (!fits) running?.retire()
  const fill = fits ? running : resumeSparse(context, request, record)
  if (fill !== undefined) {
    context.store.touch(record)
    return answerFromFill(context, request, { fill, status: 'partial' })
  }
  await dropCorrupt(context, request, record)
  return 'again'
}

/** Joins the fill of the version wanted, or opens one; readers of an unknown version share an opening. */
async function openAndAnswer(
  context: ObjectContext,
  request: ReadRequest,
  known: Known | undefined,
): Promise<ReadAnswer | 'again'> {
  const keyId = keyIdOf(request.bucket, request.key)
  let shared = context.fills.join(keyId)
  while (known !== undefined && known.pin.kind !== 'none' && shared !== undefined) {
    // Somebody opens a version that is not known yet: look again when it is. One who waited does
    // not start at the same time as all others who did.
    await abortable(shared, request.signal)
    if (!known.token.isCurrent()) return 'again'
    if (gatheredAs(context, keyId, known) !== undefined) break
    if (isRunning(context, keyId, known)) break
    shared = context.fills.join(keyId)
  }
  const gathered = gatheredAs(context, keyId, known)
  if (gathered !== undefined) {
    return answerFromMemory(context, request, { gathered, status: 'miss' })
  }
  const running = context.fills.get(keyId)
  if (running !== undefined && known !== undefined) {
    if (samePin(running.pin, known.pin))
      return answerFromFill(context, request, { fill: running, status: 'miss' })
    running.retire()
  }
  const opening =
    (known === undefined ? shared : undefined) ??
    context.fills.open(keyId, () => open(context, request, known))
  const opened = await abortable(opening, request.signal)
  if (opened.kind === 'absent') return { kind: 'absent' }
  if (opened.kind === 'gathered') {
    return answerFromMemory(context, request, { gathered: opened.gathered, status: 'miss' })
  }
  return answerFromFill(context, request, { fill: opened.fill, status: 'miss' })
}

/** The version that is known, where it is whole in memory. */
function gatheredAs(context: ObjectContext, keyId: string, known: Known | undefined) {
  const gathered = context.fills.gathered(keyId)
  if (gathered === undefined || known === undefined) return undefined
  return samePin(gathered.pin, known.pin) ? gathered : undefined
}

function isRunning(context: ObjectContext, keyId: string, known: Known): boolean {
  const running = context.fills.get(keyId)
  return running !== undefined && samePin(running.pin, known.pin)
}

async function open(
  context: ObjectContext,
  request: ReadRequest,
  known: Known | undefined,
): Promise<Opened> {
  checkFills(context)
  checkAdmission(context, request)
  if (known === undefined) return openWhole(context, request, undefined)
  const { capabilities } = context.backendOf(request.bucket)
  const wanted = wantedRange(request, known.attributes)
  const sparse =
    wanted.kind === 'range' &&
    wanted.range.lengthBytes < known.attributes.sizeBytes &&
    mayStayPartial(context.propertiesOf(request.bucket), known) &&
    capabilities.rangedRead &&
    capabilities.pinnedRead
  return sparse
    ? openSparse(context, request, { known, range: wanted.range })
    : openWhole(context, request, known)
}

function count(context: ObjectContext, request: ReadRequest, answer: ReadAnswer): ReadAnswer {
  if (answer.kind === 'found' || answer.kind === 'not-modified') {
    context.observer.read(formatBucket(request.bucket.ref), answer.cache.status)
  }
  return answer
}
