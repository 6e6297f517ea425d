import fs from 'node:fs'
import type { BackendBody, ReadResult } from '@forebay/backend-port/backend'
import { Failure } from '@forebay/base/failure'
import type { ByteRange } from '@forebay/model/range'
import { choosePin, type Pin } from '@forebay/model/version'
import type { ObjectAddress } from '@forebay/peer/target-port'
import { diskFailure } from '../os/disk-gate.ts'
import type { ObjectRecord, Wanted, WorkFile } from '../store/contract.ts'
import type { Asked } from './ask-backend.ts'
import { BlockMap } from './block-map.ts'
import { changedMeanwhile } from './changed-meanwhile.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { Fill } from './fill.ts'
import type { FillParts } from './fill-parts.ts'
import type { Opened } from './fill-table.ts'
import { gather } from './gathered.ts'
import type { GenerationToken } from './generations.ts'

/** What the backend was already asked about the version to be opened. */
export type Known = Extract<Asked, { kind: 'found' }> & {
  /** Begun before the backend was asked: what it said holds while the token is current. */
  readonly token: GenerationToken
}

/**
 * Opens the whole object by one connection; `known` holds it to the version that was announced.
 *
 * @throws Failure `backend-changed` when that version is gone, `out-of-space` | `slow-down` when the
 * cache has no room: the caller passes the object through.
 */
export async function openWhole(
  context: ObjectContext,
  address: ObjectAddress,
  known: Known | undefined,
): Promise<Opened> {
  const { bucket, key } = address
  const token = beginFill(context, address, known)
  const askedMs = context.clock.now()
  const askedAt = context.clock.monotonic()
  const unsettled = context.unsettled.isUnsettled(bucket.id, key)
  const settles = unsettled && context.unsettled.mayBeSettled(bucket.id, key)
  // The fill outlives the reader who caused it, so its request hangs on no reader's signal.
  const ask = (pin: Pin | undefined): Promise<ReadResult> =>
    context.backendOf(bucket).read({
      key,
      pin: pin === undefined || pin.kind === 'none' ? undefined : pin,
      signal: new AbortController().signal,
    })
  let answer: ReadResult | undefined
  let work: WorkFile | undefined
  try {
    answer = await ask(known?.pin)
    if (answer.kind === 'absent') {
      token.hear({ askedAt, pin: undefined })
      token.end()
      return { kind: 'absent' }
    }
    if (answer.kind !== 'found') throw changedMeanwhile(key)
    const { attributes, body } = answer
    checkLength(key, answer)
    // Others may have come while the backend was asked.
    checkFills(context)
    checkAdmission(context, address, attributes)
    const pin = choosePin(attributes.validators ?? {})
    if (attributes.sizeBytes <= context.gatheredBytesMax) {
      token.hear({ askedAt, pin })
      const again = { askAgain: () => ask(pin) }
      const gathering = { answer, pin, token, askedMs, askedAt, settles, ...again }
      return { kind: 'gathered', gathered: await gather(context, address, gathering) }
    }
    work = await context.store.createWork(bucket, key, attributes.sizeBytes)
    token.hear({ askedAt, pin })
    const fill = register(context, { bucket, key, attributes, pin, askedMs, work, token, settles })
    consume(fill, body)
    return { kind: 'fill', fill }
  } catch (error) {
    if (answer?.kind === 'found') answer.body.discard()
    work?.discard()
    token.end()
    throw error
  }
}

/** @throws Failure `slow-down` when too many fills run: the read goes past the cache */
export function checkFills(context: ObjectContext): void {
  if (context.fills.activeCount < context.fillsMax) return
  throw new Failure('slow-down', `${context.fillsMax} objects are being fetched already`)
}

/**
 * Asked before the backend is, without a size, and once more when the size is known.
 *
 * @throws Failure `slow-down` when the bucket's policy does not keep the object: the caller passes it through
 */
export function checkAdmission(
  context: ObjectContext,
  { bucket, key }: ObjectAddress,
  wanted?: Wanted,
): void {
  if (context.store.admits(bucket, key, wanted)) return
  throw new Failure('slow-down', `${key}: there is no room that is worth giving to the object`, {
    facts: { admitted: false },
  })
}

/** A fill that cannot begin ends: it would keep its place and its descriptor for ever. */
function consume(fill: Fill, body: BackendBody): void {
  try {
    fill.consume(body)
  } catch (error) {
    fill.cancel(error)
    throw error
  }
}

/** @throws Failure `backend-corrupt` when nobody said how long the object is: its end would be a guess */
export function checkLength(key: string, result: { readonly sizeBytes: number | undefined }): void {
  if (result.sizeBytes !== undefined) return
  throw new Failure('backend-corrupt', `${key}: the backend does not say how long the object is`)
}

/** Opens an object of which only blocks are fetched, as readers need them; the first one needs `range`. */
export async function openSparse(
  context: ObjectContext,
  address: ObjectAddress,
  { known, range }: { readonly known: Known; readonly range: ByteRange },
): Promise<Opened> {
  const { bucket, key } = address
  const token = beginFill(context, address, known)
  let work: WorkFile | undefined
  try {
    const { sizeBytes } = known.attributes
    const map = new BlockMap(sizeBytes, context.propertiesOf(bucket).blockBytes)
    const storedBytes = map.absentBytes(range.offset, range.offset + range.lengthBytes)
    checkAdmission(context, address, { sizeBytes, storedBytes })
    work = await context.store.createWork(bucket, key, storedBytes)
    setLength(work, sizeBytes)
    const { attributes, pin, askedMs, settles } = known
    const fill = register(context, { bucket, key, attributes, pin, askedMs, work, token, settles })
    return { kind: 'fill', fill }
  } catch (error) {
    token.end()
    work?.discard()
    throw error
  }
}

function setLength(work: WorkFile, sizeBytes: number): void {
  try {
    fs.ftruncateSync(work.fd, sizeBytes)
  } catch (error) {
    throw diskFailure(error, 'a work file cannot be made longer')
  }
}

/** Goes on with a partial entry; undefined when its file is not what the record says. */
export function resumeSparse(
  context: ObjectContext,
  address: ObjectAddress,
  record: ObjectRecord,
): Fill | undefined {
  const work = context.store.openPartial(record)
  if (work === undefined) return undefined
  const { bucket, key } = address
  const token = context.generations.begin(keyIdOf(bucket, key))
  try {
    return register(context, {
      bucket,
      key,
      attributes: record.attributes,
      pin: record.pin,
      askedMs: record.validatedMs,
      work,
      token,
      settles: false,
      record,
    })
  } catch (error) {
    token.end()
    work.discard()
    throw error
  }
}

/** @throws Failure `backend-changed` when the key was raised since the backend was asked */
function beginFill(
  context: ObjectContext,
  { bucket, key }: ObjectAddress,
  known: Known | undefined,
): GenerationToken {
  if (known?.token.isCurrent() === false) throw changedMeanwhile(key)
  const token = context.generations.begin(keyIdOf(bucket, key))
  token.hear(known?.token.heard)
  return token
}

function register(context: ObjectContext, parts: FillParts): Fill {
  const keyId = keyIdOf(parts.bucket, parts.key)
  const fill = makeFill(context, parts)
  context.fills.register(keyId, fill)
  return fill
}

function makeFill(context: ObjectContext, parts: FillParts): Fill {
  const keyId = keyIdOf(parts.bucket, parts.key)
  try {
    return new Fill(context, parts, (ended) => context.fills.remove(keyId, ended))
  } catch (error) {
    throw diskFailure(error, `${parts.key}: its file cannot be opened`)
  }
}
