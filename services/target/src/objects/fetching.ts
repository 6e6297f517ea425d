import type { Backend, BackendBody } from '@forebay/backend-port/backend'
import { Failure, isFailure } from '@forebay/base/failure'
import type { Digester } from '@forebay/base/hash/digester'
import type { Pin } from '@forebay/model/version'
import { changedMeanwhile } from './changed-meanwhile.ts'
import type { ConnectionShare } from './connection-share.ts'
import type { FetchPace } from './fetch-pace.ts'
import { FetchSet } from './fetch-set.ts'
import { isUnreachable } from './is-unreachable.ts'
import { type FetchHost, RangeFetch } from './range-fetch.ts'
import type { BlockRun, Readers } from './readers.ts'

/** Connections that readers who wait may cause one fill to hold at a time, whatever its pace. */
const FETCHES_MAX = 8

/** Attempts at one run of blocks before the fill gives up; the first one included. */
const FETCH_ATTEMPTS = 3

/**
 * What one of several connections fetches at a time, bytes: large against the wait for an answer,
 * small against what a reader wants next.
 */
export const SEGMENT_BYTES = 8 * 1024 ** 2

/** Why connections end with their fill. One for all: making an error costs more than ending a fill. */
export const FILL_OVER = new Failure('unavailable', 'the fill is over')

/** What the connections of a fill need of it. */
export interface FetchingHost extends FetchHost {
  readonly key: string
  readonly backend: Backend
  readonly pin: Pin
  readonly sizeBytes: number
  readonly readers: Readers
  /** Decides about connections beside those that readers wait for; undefined = there are none. */
  readonly pace: FetchPace | undefined
  readonly share: ConnectionShare
  /** Everything is wanted, also what no reader waits for. */
  readonly wantsWhole: boolean
  /** Makes room for so many bytes more. */
  reserve(lengthBytes: number): Promise<void>
  /** A connection broke, and another goes on. */
  onTrouble(): void
  /** The backend has another version by now. */
  onOutdated(): void
  /** Blocks that a connection had before it are nobody's. */
  onFreed(): void
  /** A connection ended in order. */
  onRunEnd(): void
  /** @param error why a run of blocks cannot be had */
  onRunFailed(error: unknown): void
  warn(event: string, error: unknown): void
  /** What no reader waits for cannot be had. */
  onBackgroundFailed(error: unknown): void
  /** A connection that was only to make it faster cannot be had; its blocks are nobody's. */
  onFurtherFailed(error: unknown): void
  /** Nothing of a run is under way any more, whatever came of it. */
  onRunGone(): void
}

/**
 * The connections of one fill: which there are, which blocks each brings, and what follows when one
 * breaks. A block is on one connection at a time, so each byte is fetched once.
 *
 * The bytes that a reader waits for are fetched first, by a connection of its own. Where the object is
 * large and more connections bring more, further ones bring segments ahead of the readers, the nearest
 * first.
 */
export class Fetching {
  readonly #host: FetchingHost
  readonly #fetches: FetchSet
  readonly #abort = new AbortController()
  readonly #segmentBlocks: number
  /** Connections under way, from before their first byte. */
  #running = 0
  /** One asks whether the origin gives ranges, before a running connection is cut short. */
  #scouting = false
  /** Those still under way end with the block that they are at. */
  #stopping = false

  constructor(host: FetchingHost) {
    this.#host = host
    this.#fetches = new FetchSet(host.map)
    const segmentBytes = host.pace?.segmentBytes ?? SEGMENT_BYTES
    this.#segmentBlocks = Math.max(1, Math.round(segmentBytes / host.map.blockBytes))
  }

  get running(): number {
    return this.#running
  }

  writtenEnd(offset: number): number {
    return this.#fetches.writtenEnd(offset)
  }

  isHeld(offset: number): boolean {
    return this.#fetches.isHeld(offset)
  }

  copyHeld(offset: number, into: Buffer): number {
    return this.#fetches.copyHeld(offset, into)
  }

  /** The body of the whole object, which came without having been asked for block by block. */
  consume(body: BackendBody, digester: Digester): void {
    const { map, sizeBytes } = this.#host
    map.claim(0, map.blockCount)
    const fetch = new RangeFetch(this.#host, body, { start: 0, end: sizeBytes, digester })
    this.#fetches.add(fetch)
    this.#supervise(
      fetch
        .run()
        .catch((error: unknown) => this.#streamBroke(fetch, error))
        .finally(() => this.#fetches.delete(fetch)),
    )
  }

  /** Starts fetches for what nobody fetches yet, and takes over what is too far ahead of a fetch. */
  want(offset: number, lengthBytes: number): void {
    const { map, pin, pace, sizeBytes } = this.#host
    const first = map.indexOf(offset)
    const end = map.indexOf(Math.min(offset + lengthBytes, sizeBytes) - 1) + 1
    if (pin.kind !== 'none') this.#fetches.takeOver(first)
    const inSegments = pace !== undefined && end - first > this.#segmentBlocks
    // Of much that is wanted only the beginning is urgent.
    const urgentEnd = inSegments ? Math.min(end, first + 1) : end
    for (;;) {
      const run = map.absentRun(first, urgentEnd)
      if (run === undefined || this.#running >= FETCHES_MAX) break
      this.#start(inSegments ? this.#segmentFrom({ first: run.first, end }) : run)
    }
    this.dispatch()
  }

  /** More bytes arrived: perhaps further connections pay. */
  arrived(lengthBytes: number): void {
    const { pace } = this.#host
    if (pace?.note(lengthBytes, this.#fetches.size) === true) this.dispatch()
  }

  /** Starts as many connections as the pace wants, where readers need bytes next. */
  dispatch(): void {
    const { pace, share, readers, wantsWhole } = this.#host
    if (this.#stopping || this.#abort.signal.aborted) return
    if (pace === undefined && !wantsWhole) return
    for (;;) {
      // For nobody there is one, whatever more would bring.
      const target = readers.count === 0 ? 1 : (pace?.target ?? 1)
      if (this.#running >= target) return
      const further = this.#running > 0
      if (further && !share.take()) return
      if (this.#startNext(further)) continue
      if (further) share.give()
      return
    }
  }

  /** Ends every connection with the block that it is at; `go` takes it back. */
  stop(): void {
    this.#stopping = true
    this.#fetches.shortenAll()
  }

  go(): void {
    this.#stopping = false
  }

  abort(error: unknown): void {
    this.#abort.abort(error)
    this.#fetches.abort()
  }

  /** Starts the most urgent segment. @returns false when there is none */
  #startNext(further: boolean): boolean {
    const { map, readers } = this.#host
    const find = (first: number, end: number) => this.#findNext(first, end)
    const urgent = readers.mostUrgent(map.blockBytes, find)
    const next = urgent ?? (this.#host.wantsWhole ? find(0, map.blockCount) : undefined)
    if (next === undefined) return false
    if (next.claimedBy === undefined) {
      const background = urgent === undefined
      this.#start(this.#segmentFrom(next, background), { further, background })
      return true
    }
    this.#scouting = true
    const scouting = this.#scout(next.claimedBy, next).finally(() => {
      this.#scouting = false
    })
    this.#supervise(scouting, { further, background: false })
    return true
  }

  /** What could be fetched next of these blocks: what nobody brings, or brings much later. */
  #findNext(first: number, end: number): Candidate | undefined {
    const { map } = this.#host
    const absent = map.absentRun(first, end)
    const long = this.#scouting
      ? undefined
      : this.#fetches.findLong({ first, end: absent?.first ?? end }, SEGMENT_BYTES)
    if (long === undefined) return absent
    const longEnd = map.indexOf(long.fetch.end - 1) + 1
    const runEnd = Math.min(longEnd, long.first + this.#segmentBlocks)
    return { first: long.first, end: runEnd, claimedBy: long.fetch }
  }

  /**
   * A lone connection goes on for as long as it may; others leave something to each other. What is for
   * nobody comes piece by piece, each of which is kept.
   */
  #segmentFrom({ first, end }: BlockRun, background = false): BlockRun {
    const { map, pace } = this.#host
    const alone = !background && (pace === undefined || pace.target === 1)
    const most = alone ? end : Math.min(end, first + this.#segmentBlocks)
    return map.absentRun(first, most) ?? { first, end: first }
  }

  #start(run: BlockRun, kind: RunKind = URGENT): void {
    this.#host.map.claim(run.first, run.end)
    this.#supervise(this.#fetchRun(run), kind)
  }

  /**
   * Asks for blocks that a running connection has before it, far away, and takes them from it only when
   * the answer is the right one: an origin that gives no ranges costs nothing but the question.
   */
  async #scout(fetch: RangeFetch, run: BlockRun): Promise<void> {
    const { map, pace } = this.#host
    const start = map.startOf(run.first)
    let body: BackendBody
    try {
      body = await this.#ask(run)
    } catch (error) {
      if (isUnreachable(error)) pace?.refused()
      else pace?.stop()
      if (isFailure(error, 'backend-changed')) this.#host.onOutdated()
      return
    }
    const late =
      !this.#fetches.has(fetch) || fetch.takenTo >= start || fetch.end < map.endOf(run.end - 1)
    if (late || this.#stopping || this.#abort.signal.aborted) {
      body.discard()
      return
    }
    this.#fetches.shorten(fetch, start)
    map.claim(run.first, run.end)
    this.dispatch()
    this.#host.onFreed()
    await this.#fetchRun(run, body)
  }

  /** Brings claimed blocks; the first attempt with an answer that is there already. */
  async #fetchRun(run: BlockRun, answered?: BackendBody): Promise<void> {
    const { map, pace } = this.#host
    let left = run
    let body = answered
    for (let attempt = 1; left.first < left.end; attempt++) {
      const fetch = { ...left }
      try {
        await this.#receive(fetch, body)
        return
      } catch (error) {
        body = undefined
        left = this.#missingOf(fetch)
        if (isUnreachable(error)) {
          pace?.refused()
          this.#host.onTrouble()
        }
        if (!isUnreachable(error) || attempt >= FETCH_ATTEMPTS || this.#abort.signal.aborted) {
          map.unclaim(left.first, left.end)
          throw error
        }
      }
    }
  }

  /** What did not arrive of a run. */
  #missingOf({ first, end }: BlockRun): BlockRun {
    let from = first
    while (from < end && this.#host.map.isPresent(from)) from += 1
    return { first: from, end }
  }

  /** Brings the blocks of `run`, whose end moves when others take over the rest. */
  async #receive(run: ShrinkingRun, answered: BackendBody | undefined): Promise<void> {
    const { map } = this.#host
    const body = answered ?? (await this.#ask(run))
    const range = { start: map.startOf(run.first), end: map.endOf(run.end - 1) }
    const fetch = new RangeFetch(this.#host, body, range)
    this.#fetches.add(fetch)
    if (this.#stopping && run.end > run.first + 1) {
      this.#fetches.shorten(fetch, map.endOf(run.first))
    }
    try {
      await fetch.run()
    } finally {
      this.#fetches.delete(fetch)
      run.end = map.indexOf(fetch.end - 1) + 1
    }
  }

  /** @throws Failure `backend-changed`; `backend-corrupt` for other bytes than asked for; `backend-*` */
  async #ask(run: BlockRun): Promise<BackendBody> {
    const { map, backend, key, sizeBytes } = this.#host
    const start = map.startOf(run.first)
    const lengthBytes = map.endOf(run.end - 1) - start
    await this.#host.reserve(lengthBytes)
    const result = await backend.read({
      key,
      range: { offset: start, lengthBytes },
      pin: this.#host.pin,
      signal: this.#abort.signal,
    })
    if (result.kind !== 'found') throw changedMeanwhile(key)
    if (result.range.offset !== start || result.sizeBytes !== sizeBytes) {
      result.body.discard()
      throw new Failure(
        'backend-corrupt',
        `${key}: the backend answered other bytes than asked for`,
      )
    }
    return result.body
  }

  #streamBroke(fetch: RangeFetch, error: unknown): void {
    const { map, pin, backend, sizeBytes } = this.#host
    this.#fetches.delete(fetch)
    this.#host.onStreamCut()
    const from = map.indexOf(fetch.position)
    map.unclaim(from, map.indexOf(Math.max(fetch.end - 1, 0)) + 1)
    if (!isUnreachable(error) || pin.kind === 'none' || !backend.capabilities.pinnedRead)
      throw error
    this.#host.pace?.refused()
    this.#host.onTrouble()
    if (!this.#stopping) this.want(fetch.position, sizeBytes - fetch.position)
  }

  #supervise(work: Promise<void>, { further, background }: RunKind = URGENT): void {
    this.#running += 1
    const end = (): void => {
      this.#running -= 1
      if (further) this.#host.share.give()
    }
    work
      .then(
        () => {
          end()
          this.dispatch()
          this.#host.onRunEnd()
        },
        (error: unknown) => {
          end()
          if (background) this.#host.onBackgroundFailed(error)
          else if (further) this.#host.onFurtherFailed(error)
          else this.#host.onRunFailed(error)
        },
      )
      .finally(() => this.#host.onRunGone())
      .catch((error: unknown) => this.#host.warn('a fill ended badly', error))
  }
}

interface ShrinkingRun extends BlockRun {
  end: number
}

interface RunKind {
  /** It took a connection of the share, which is given back. */
  readonly further: boolean
  /** Nobody waited for it when it began. */
  readonly background: boolean
}

const URGENT: RunKind = { further: false, background: false }

/** Blocks that a connection could bring, and the one that has them before it, if any. */
interface Candidate extends BlockRun {
  readonly claimedBy?: RangeFetch
}
