/**
 * Small objects on their way into the cache: whole in memory first, verified, and on the disk only
 * when those who waited have their answers, since a turn of a thread takes longer than to send one.
 */
import type { BackendBody, ReadResult } from '@forebay/backend-port/backend'
import { failpoint } from '@forebay/base/failpoint'
import { Failure } from '@forebay/base/failure'
import { hashBuffer } from '@forebay/base/hash/digester'
import type { ObjectAttributes } from '@forebay/model/object'
import { matchesPin, type Pin } from '@forebay/model/version'
import type { ObjectAddress } from '@forebay/peer/target-port'
import type { ObjectRecord, Room, Stored } from '../store/contract.ts'
import { changedMeanwhile } from './changed-meanwhile.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { checkDigest, expectedDigest } from './expected-digest.ts'
import type { Arriving } from './fill-table.ts'
import type { GenerationToken } from './generations.ts'
import { isUnreachable } from './is-unreachable.ts'
import { publishCurrent } from './publish-current.ts'
import { samePin } from './same-version.ts'

/** Objects up to this size are gathered, bytes; `fillsMax` of them are in memory at most. */
export const GATHERED_BYTES_MAX = 64 * 1024

/** Attempts at the bytes of one object before its readers are told; the first one included. */
const GATHER_ATTEMPTS = 3

/** A version that is whole in memory and verified. */
export interface Gathered {
  readonly keyId: string
  readonly attributes: ObjectAttributes
  readonly pin: Pin
  /** Wall clock before the version was asked for: freshness counts from here. */
  readonly askedMs: number
  /** The same by the monotonic clock: of two the one asked for later is the newer. */
  readonly askedAt: number
  readonly bytes: Buffer
  /** False once the key has, or may have, another version. */
  isCurrent(): boolean
  /** Another one is newer: this one feeds those who wait for it, and is not kept. */
  retire(): void
  /** Resolves when the cache has it, or never will: then with the reason, where there is one to tell. */
  readonly stored: Promise<unknown>
}

/** An answer of the backend whose body was not begun. */
export type Answered = Extract<ReadResult, { kind: 'found' }>

export interface Gathering {
  /** The first answer. Where the gathering fails, its body is for the caller to give up. */
  readonly answer: Answered
  readonly pin: Pin
  /** Ends with the gathering. */
  readonly token: GenerationToken
  readonly askedMs: number
  /** By the monotonic clock. */
  readonly askedAt: number
  /** Publishing removes the key's unsettled mark. */
  readonly settles: boolean
  /** Asks once more for the version of the first answer. */
  readonly askAgain: () => Promise<ReadResult>
}

/**
 * Brings the object into memory, and starts to store it for the turn after this.
 *
 * @throws Failure `out-of-space` | `slow-down` when the cache has no room, `backend-corrupt` for bytes
 *   other than stated, `backend-changed` when the version is gone, `backend-*`, `unavailable` at
 *   shutdown; the token is the caller's then
 */
export async function gather(
  context: ObjectContext,
  address: ObjectAddress,
  gathering: Gathering,
): Promise<Gathered> {
  const { askedMs, askedAt, answer, token } = gathering
  const keyId = keyIdOf(address.bucket, address.key)
  const { attributes } = answer
  const arriving = { keyId, attributes, askedMs, askedAt, retire: () => token.end() }
  return context.fills.arrive(arriving, () => bringIn(context, address, { ...gathering, arriving }))
}

async function bringIn(
  context: ObjectContext,
  address: ObjectAddress,
  gathering: Gathering & { readonly arriving: Arriving },
): Promise<Gathered> {
  const { answer, pin, token, arriving } = gathering
  const { attributes } = answer
  const { bucket, key } = address
  const room = await context.store.holdRoom(bucket, key, attributes.sizeBytes)
  try {
    const bytes = await collectAll(context, address, gathering)
    const stated = expectedDigest(attributes)
    if (stated !== undefined) checkDigest(key, stated, hashBuffer(stated.algorithm, bytes))
    const whole = { ...arriving, pin, bytes }
    const stored = storeLater(context, address, { ...gathering, ...whole, room })
    const gathered = { ...whole, isCurrent: () => token.isCurrent(), stored }
    context.fills.keep(gathered)
    return gathered
  } catch (error) {
    room.release()
    throw error
  }
}

/** The bytes, by one connection after the other: nobody has one of them yet. */
async function collectAll(
  context: ObjectContext,
  { key }: ObjectAddress,
  { answer, pin, askAgain }: Gathering,
): Promise<Buffer> {
  const { sizeBytes } = answer.attributes
  let { body } = answer
  for (let attempt = 1; ; attempt++) {
    try {
      return await context.fills.gathering(body, () => collect(key, body, sizeBytes))
    } catch (error) {
      // Without a pin nobody could tell whether what comes next is the same version.
      if (pin.kind === 'none') throw error
      if (!isUnreachable(error) || attempt === GATHER_ATTEMPTS) throw error
    }
    const next = await askAgain()
    if (next.kind !== 'found') throw changedMeanwhile(key)
    if (!isSame(answer, next, pin)) {
      next.body.discard()
      throw changedMeanwhile(key)
    }
    body = next.body
  }
}

/** A tag may stay when the metadata of an object become others; its date does not. */
function isSame({ attributes }: Answered, next: Answered, pin: Pin): boolean {
  const { etag, lastModifiedMs } = next.attributes
  return (
    matchesPin(pin, next.attributes.validators ?? {}) &&
    etag === attributes.etag &&
    lastModifiedMs === attributes.lastModifiedMs &&
    next.sizeBytes === attributes.sizeBytes
  )
}

/** @throws Failure `backend-corrupt` when there are more or fewer than `sizeBytes`, and as the body */
async function collect(key: string, body: BackendBody, sizeBytes: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  await body.pump((chunk) => {
    length += chunk.length
    if (length > sizeBytes) throw otherLength(key, 'more')
    chunks.push(chunk)
  })
  if (length < sizeBytes) throw otherLength(key, 'fewer')
  const [first] = chunks
  return chunks.length === 1 && first !== undefined ? first : Buffer.concat(chunks, length)
}

function otherLength(key: string, word: 'more' | 'fewer'): Failure {
  return new Failure('backend-corrupt', `${key}: the backend sent ${word} bytes than it announced`)
}

interface Whole extends Gathering, Omit<Gathered, 'isCurrent' | 'stored'> {
  readonly room: Room
}

/** Resolves with why the object was not kept, where it should have been. Ends the token. */
async function storeLater(
  context: ObjectContext,
  address: ObjectAddress,
  whole: Whole,
): Promise<unknown> {
  let work: Stored | undefined
  try {
    if (!whole.token.isCurrent()) return undefined
    work = await whole.room.store(whole.bytes)
    await publish(context, address, { whole, work })
    return undefined
  } catch (error) {
    context.observer.warn('a fetched object was not kept', { key: address.key, error })
    return error
  } finally {
    work?.discard()
    whole.room.release()
    whole.token.end()
  }
}

async function publish(
  context: ObjectContext,
  { bucket, key }: ObjectAddress,
  { whole, work }: { readonly whole: Whole; readonly work: Stored },
): Promise<void> {
  const { attributes, pin, askedMs, bytes, settles, token } = whole
  await publishCurrent(context, { bucket, key, token }, async () => {
    if (isOutdone(context.store.get(bucket.id, key), whole)) return undefined
    const atVerified = failpoint('gather:verified')
    if (atVerified !== undefined) await atVerified
    const contentXxh64 = hashBuffer('xxh64', bytes)
    const record = { attributes, contentXxh64, pin, validatedMs: askedMs }
    return context.store.commit({ bucket, key, work }, record, { sync: false, settle: settles })
  })
}

/** Of versions that nobody can tell apart by their pins, the one that was asked for later stays. */
function isOutdone(record: ObjectRecord | undefined, { pin, askedMs }: Whole): boolean {
  return record !== undefined && record.validatedMs > askedMs && !samePin(record.pin, pin)
}
