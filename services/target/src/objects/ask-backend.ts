import type { HeadResult } from '@forebay/backend-port/backend'
import type { ObjectAttributes } from '@forebay/model/object'
import { choosePin, matchesPin, type Pin } from '@forebay/model/version'
import type { ObjectAddress } from '@forebay/peer/target-port'
import type { ObjectRecord } from '../store/contract.ts'
import { keyIdOf, type ObjectContext, raiseKey } from './context.ts'
import type { GenerationToken } from './generations.ts'
import { sameVersion } from './same-version.ts'

/** The backend's word on a key, and what it means for the entry at hand. */
export type Asked =
  | { readonly kind: 'absent' }
  /** The entry is the current version, confirmed now. */
  | { readonly kind: 'confirmed'; readonly record: ObjectRecord }
  | {
      readonly kind: 'found'
      readonly attributes: ObjectAttributes
      readonly pin: Pin
      readonly askedMs: number
      readonly settles: boolean
    }
  /** A write or a later answer came in between: this one may be older than what it left behind. */
  | { readonly kind: 'again' }

/** An answer, and when it was asked for: a later reader may share it. */
interface Answered {
  readonly head: HeadResult
  readonly askedMs: number
  /** By the monotonic clock. */
  readonly askedAt: number
}

/** Questions under way that a reader of the same generation may share. */
export class Questions {
  readonly #running = new Map<string, Promise<Answered>>()

  /** Asks, or shares the answer of a question that is under way. */
  ask(keyId: string, ask: () => Promise<Answered>): Promise<Answered> {
    const running = this.#running.get(keyId)
    if (running !== undefined) return running
    const asked = ask().finally(() => {
      if (this.#running.get(keyId) === asked) this.#running.delete(keyId)
    })
    this.#running.set(keyId, asked)
    return asked
  }

  /** The keys that are asked about now. */
  keyIds(): Iterable<string> {
    return this.#running.keys()
  }

  /** Answers to questions of before are not shared any more. */
  forget(keyId: string): void {
    this.#running.delete(keyId)
  }
}

/**
 * Asks the backend which version of the object is current and brings the entry in line: confirms it,
 * or removes it when the backend has another version or none.
 *
 * An unsettled key asks for itself alone: a shared answer might be older than what another reader
 * was already told. It is settled only by an answer to a question asked when nothing can change the
 * object any more behind our back.
 *
 * `token` is the asker's, begun before: the answer holds for as long as it is current.
 */
export async function askBackend(
  context: ObjectContext,
  address: ObjectAddress,
  asking: { readonly signal: AbortSignal; readonly token: GenerationToken },
): Promise<Asked> {
  const { bucket, key } = address
  const { signal, token } = asking
  const keyId = keyIdOf(bucket, key)
  const backend = context.backendOf(bucket)
  const unsettled = context.unsettled.isUnsettled(bucket.id, key)
  const settles = unsettled && context.unsettled.mayBeSettled(bucket.id, key)
  const ask = async (asker: AbortSignal): Promise<Answered> => {
    const { clock } = context
    const asked = { askedMs: clock.now(), askedAt: clock.monotonic() }
    return { ...asked, head: await backend.head({ key, signal: asker }) }
  }
  // A shared question must not die with the one reader who asked first.
  const { head, askedMs, askedAt } = unsettled
    ? await ask(signal)
    : await context.questions.ask(keyId, () => ask(new AbortController().signal))
  token.hear({ askedAt, pin: head.kind === 'found' ? pinOf(head.attributes) : undefined })
  if (!token.isCurrent()) return { kind: 'again' }
  const record = context.store.get(bucket.id, key)
  if (head.kind === 'found' && record !== undefined && matches(record, head.attributes)) {
    if (settles) await context.unsettled.settle(bucket.id, key)
    return { kind: 'confirmed', record: context.store.confirm(record, askedMs) }
  }
  const settled = settles && head.kind === 'absent'
  if (record !== undefined || settled) {
    const removed = await removeOther(context, address, { record, settled, token })
    if (!removed) return { kind: 'again' }
  }
  if (head.kind === 'absent') return { kind: 'absent' }
  const pin = pinOf(head.attributes)
  return { kind: 'found', attributes: head.attributes, pin, askedMs, settles }
}

function pinOf(attributes: ObjectAttributes): Pin {
  return choosePin(attributes.validators ?? {})
}

function matches(record: ObjectRecord, attributes: ObjectAttributes): boolean {
  if (record.attributes.sizeBytes !== attributes.sizeBytes) return false
  return matchesPin(record.pin, attributes.validators ?? {})
}

/** Removes the entry of another version; false when a write came in between. */
async function removeOther(
  context: ObjectContext,
  address: ObjectAddress,
  found: {
    readonly record: ObjectRecord | undefined
    readonly settled: boolean
    readonly token: GenerationToken
  },
): Promise<boolean> {
  const { bucket, key } = address
  return context.locks.hold(keyIdOf(bucket, key), async () => {
    if (!found.token.isCurrent()) return false
    if (!sameVersion(context.store.get(bucket.id, key), found.record)) return false
    raiseKey(context, keyIdOf(bucket, key))
    found.token.renew()
    await context.store.remove(bucket.id, key, {
      sync: false,
      settle: found.settled,
      why: 'stale',
    })
    context.unsettled.settled(bucket.id, key)
    return true
  })
}
