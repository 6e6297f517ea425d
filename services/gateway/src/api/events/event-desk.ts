import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import type { BucketTable } from '@forebay/control/bucket-table'
import type { BackendProvider, BucketRecord } from '@forebay/model/bucket'
import { checkKey } from '@forebay/model/key'
import type { Noticed, TargetPort } from '@forebay/peer/target-port'
import type { EventSource, Message, StoreChange } from './store-change.ts'

/** What became of one event: `current` and `stale` as the target says, or nothing here concerns it. */
export type EventOutcome = Noticed | 'ignored'

/** Counts where events are taken; the composition turns it into metrics. */
export interface EventObserver {
  /** `delayMs`: from the change at the store until it was noted, where the event says when it was. */
  event(source: EventSource, outcome: EventOutcome, delayMs?: number): void
  message(outcome: 'taken' | 'refused' | 'malformed' | 'put-off'): void
}

export interface EventDeskOptions {
  readonly buckets: BucketTable
  readonly target: TargetPort
  readonly clock: Clock
  readonly observer?: EventObserver | undefined
}

/** A topic that waits for somebody to visit its address. */
export interface PendingTopic {
  readonly topic: string
  readonly url: string
  readonly receivedMs: number
}

/** How many events of a message came to what. */
export type EventCounts = Readonly<Record<EventOutcome, number>>

/** Longest time that one message waits for writes of our own; services repeat what is put off. */
export const EVENT_WAIT_MAX_MS = 5000

/** Topics that are remembered until somebody confirms them. */
const TOPICS_MAX = 16

const PROVIDERS: Readonly<Record<Exclude<EventSource, 'forebay'>, BackendProvider>> = {
  s3: 'aws',
  gcs: 'gcp',
  azure: 'azure',
}

/**
 * Takes the events of stores to the target: of each bucket that stands for the one that the event
 * names. What concerns no bucket here is counted and forgotten, so that nobody sends it again.
 */
export class EventDesk {
  readonly #options: EventDeskOptions
  readonly #lastMs = new Map<number, number>()
  #topics: readonly PendingTopic[] = []
  #byBackend: ReadonlyMap<string, readonly BucketRecord[]> = new Map()
  #version = -1

  constructor(options: EventDeskOptions) {
    this.#options = options
  }

  /** Topics that wait to be confirmed, oldest first. */
  get topics(): readonly PendingTopic[] {
    return this.#topics
  }

  /** When the last event of a bucket came since the start, ms since 1970. */
  lastEventMs(bucketId: number): number | undefined {
    return this.#lastMs.get(bucketId)
  }

  /** Remembers that a topic wants to be confirmed. */
  await({ topic, url }: { readonly topic: string; readonly url: string }): void {
    const receivedMs = this.#options.clock.now()
    const others = this.#topics.filter((known) => known.topic !== topic)
    this.#topics = [...others, { topic, url, receivedMs }].slice(-TOPICS_MAX)
  }

  count(outcome: Parameters<EventObserver['message']>[0]): void {
    this.#options.observer?.message(outcome)
  }

  /**
   * Notes all changes of a message. Once it has resolved no read is answered with anything older.
   *
   * @throws Failure `unavailable` when a write of our own holds a key for too long: the message must
   *   come again, as a whole
   */
  async take(
    message: Extract<Message, { kind: 'changes' }>,
    signal: AbortSignal,
  ): Promise<EventCounts> {
    const counts = { stale: 0, current: 0, ignored: message.ignored }
    const late = new AbortController()
    const timer = setTimeout(() => late.abort(putOff()), EVENT_WAIT_MAX_MS).unref()
    const bounded = AbortSignal.any([signal, late.signal])
    try {
      for (const change of message.changes) {
        bounded.throwIfAborted()
        const outcome = await this.#note(change, bounded)
        counts[outcome] += 1
        this.#options.observer?.event(change.source, outcome, this.#delayOf(change))
      }
    } catch (error) {
      throw isFailure(error, 'object-busy') ? putOff(error) : error
    } finally {
      clearTimeout(timer)
    }
    return counts
  }

  async #note(change: StoreChange, signal: AbortSignal): Promise<EventOutcome> {
    const { target, clock } = this.#options
    const keys = change.keys.filter(isKey)
    if (keys.length < change.keys.length && keys.length === 0) return 'ignored'
    let outcome: EventOutcome = 'ignored'
    for (const bucket of this.#bucketsOf(change)) {
      this.#lastMs.set(bucket.id, clock.now())
      for (const key of change.keys.length === 0 ? [undefined] : keys) {
        const noticed = await target.noticeChange({ bucket, key, now: change.now, signal })
        if (outcome !== 'stale') outcome = noticed
      }
    }
    return outcome
  }

  #bucketsOf({ source, bucket }: StoreChange): readonly BucketRecord[] {
    const { buckets } = this.#options
    if (source === 'forebay') return buckets.get(bucket).filter(({ backend }) => backend)
    if (this.#version !== buckets.version) this.#index()
    return this.#byBackend.get(`${PROVIDERS[source]}/${bucket}`) ?? []
  }

  #index(): void {
    const { buckets } = this.#options
    this.#version = buckets.version
    const byBackend = new Map<string, BucketRecord[]>()
    for (const record of buckets.list()) {
      if (record.backend === undefined) continue
      const id = `${record.backend.provider}/${record.backend.bucket}`
      byBackend.set(id, [...(byBackend.get(id) ?? []), record])
    }
    this.#byBackend = byBackend
    for (const id of this.#lastMs.keys())
      if (buckets.byId(id) === undefined) this.#lastMs.delete(id)
  }

  #delayOf({ changedMs }: StoreChange): number | undefined {
    return changedMs === undefined ? undefined : Math.max(0, this.#options.clock.now() - changedMs)
  }
}

/** What is no key of ours cannot be cached under it. */
function isKey(key: string): boolean {
  try {
    checkKey(key)
    return true
  } catch (error) {
    if (isFailure(error)) return false
    throw error
  }
}

function putOff(cause?: unknown): Failure {
  return new Failure('unavailable', 'a write of an object that the events name is under way', {
    cause,
    hint: 'send the message again',
    retryAfterSeconds: 1,
  })
}
