import fs from 'node:fs'
import type { Backend, BackendBody } from '@forebay/backend-port/backend'
import { failpoint } from '@forebay/base/failpoint'
import { Failure, isFailure } from '@forebay/base/failure'
import { createDigester, type Digester } from '@forebay/base/hash/digester'
import type { ChecksumAlgorithm } from '@forebay/model/checksum'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { ObjectRecord, WorkFile } from '../store/contract.ts'
import { BlockMap } from './block-map.ts'
import { changedMeanwhile } from './changed-meanwhile.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { expectedDigest } from './expected-digest.ts'
import { FetchSet } from './fetch-set.ts'
import { digestFile } from './file-digest.ts'
import type { FillParts } from './fill-parts.ts'
import { isUnreachable } from './is-unreachable.ts'
import { type FetchHost, RangeFetch } from './range-fetch.ts'
import { Waiters, type WantedBytes } from './waiters.ts'

/** Connections that one fill may hold at a time. */
const FETCHES_MAX = 8

/** Attempts at one run of blocks before the fill gives up; the first one included. */
const FETCH_ATTEMPTS = 3

/** The end of an object that no reader gets before the whole was verified, bytes. */
const WITHHELD_BYTES = 16 * 1024

/**
 * One version of one object on its way from the backend into a local file, and everybody who reads it
 * meanwhile.
 *
 * However many readers there are, each byte is fetched once; a reader gets what is in the file at
 * once and waits for the rest. Every fetch is held to the pin of the version the fill was opened
 * with. What is complete and verified is published, but only while the generation it began with is
 * current (rule 5); otherwise the file, already without a name, feeds those who have it.
 */
export class Fill implements FetchHost {
  readonly attributes: ObjectAttributes
  readonly pin: Pin
  readonly askedMs: number
  readonly map: BlockMap
  readonly fd: number
  readonly #context: ObjectContext
  readonly #backend: Backend
  readonly #parts: FillParts
  readonly #fetches: FetchSet
  readonly #waiters = new Waiters()
  readonly #abort = new AbortController()
  readonly #onEnd: (fill: Fill) => void
  #record: ObjectRecord | undefined
  #work: WorkFile
  #reservedBytes = 0
  #newBlocks = new Map<number, number>()
  #storing: Promise<void> | undefined
  #digester: Digester | undefined
  #verified = false
  #finishing = false
  #failure: unknown
  #ended = false
  #users = 0
  /** Connections under way, from before their first byte. */
  #running = 0
  #closed = false
  /** The last reader left a large object: what is there is kept, the rest is not fetched. */
  #stopping = false

  constructor(context: ObjectContext, parts: FillParts, onEnd: (fill: Fill) => void) {
    const properties = context.propertiesOf(parts.bucket)
    this.#context = context
    this.#backend = context.backendOf(parts.bucket)
    this.#parts = parts
    this.#onEnd = onEnd
    this.#record = parts.record
    this.#work = parts.work
    this.attributes = parts.attributes
    this.pin = parts.pin
    this.askedMs = parts.askedMs
    const table = parts.record?.blocks
    this.map = new BlockMap(
      parts.attributes.sizeBytes,
      table?.blockBytes ?? properties.blockBytes,
      table,
    )
    this.#fetches = new FetchSet(this.map)
    // A descriptor of its own: the work file's is the store's to close when it is published.
    this.fd = fs.openSync(parts.work.path, fs.constants.O_RDWR | fs.constants.O_NOFOLLOW)
    if (this.map.complete) this.#finish()
  }

  get cachedBytes(): number {
    return this.map.presentBytes
  }

  /** True while later readers may join. */
  get joinable(): boolean {
    return this.#failure === undefined && !this.#ended && this.#parts.token.isCurrent()
  }

  /** The body of a whole read that opened this fill. */
  consume(body: BackendBody): void {
    const { sizeBytes } = this.attributes
    if (this.map.complete) {
      body.discard()
      return
    }
    this.#digester = createDigester(this.#algorithms(), { expectedBytes: sizeBytes })
    this.map.claim(0, this.map.blockCount)
    this.#run(new RangeFetch(this, body, { start: 0, end: sizeBytes, digester: this.#digester }))
  }

  /** Takes part until `leave`; the descriptor stays open for as long. */
  join(): void {
    this.#users += 1
    this.#stopping = false
  }

  leave(): void {
    this.#users -= 1
    this.endIfUnused()
    this.#closeWhenIdle()
  }

  /**
   * Bytes that can be read from the file from `offset` on without a gap, at least one; starts what is
   * missing of `[offset, offset + lengthBytes)`. With `held`, 0 means that `copyHeld` has bytes which
   * are not in the file yet.
   *
   * @throws the fill's failure: `backend-changed` when the version is gone, `backend-*` otherwise.
   */
  async waitFor(want: WantedBytes, signal: AbortSignal): Promise<number> {
    const { offset, lengthBytes, held } = want
    for (;;) {
      const readableBytes = this.#readableEnd(offset) - offset
      if (readableBytes > 0) return readableBytes
      if (held && offset < this.#heldEnd() && this.#fetches.isHeld(offset)) return 0
      if (this.#failure !== undefined) throw this.#failure
      signal.throwIfAborted()
      this.#ensure(offset, lengthBytes)
      if (this.#readableEnd(offset) > offset) continue
      await this.#waiters.wait(offset, signal)
    }
  }

  /** Copies bytes from `offset` on that are in memory; how many: 0 when there are none. */
  copyHeld(offset: number, into: Buffer): number {
    const room = this.#heldEnd() - offset
    return room <= 0 ? 0 : this.#fetches.copyHeld(offset, into.subarray(0, room))
  }

  /** Ends what goes on for nobody: the readers for whom this fill was opened may have left by then. */
  endIfUnused(): void {
    this.#stopWhenAbandoned()
    this.#endWhenAbandoned()
  }

  /** Waits until the whole object was verified: what there is to wait for in one without bytes. */
  async waitForAll(signal: AbortSignal): Promise<void> {
    while (!this.#verified) {
      if (this.#failure !== undefined) throw this.#failure
      signal.throwIfAborted()
      await this.#waiters.wait(Number.POSITIVE_INFINITY, signal)
    }
  }

  /** Another version is the current one: this one feeds those who read it, and is not kept. */
  retire(): void {
    this.#parts.token.end()
  }

  /** Ends a fill that nobody can use any more. */
  cancel(reason: unknown): void {
    this.#fail(reason)
  }

  // FetchHost

  isAwaited(from: number, to: number): boolean {
    return this.#waiters.anyIn(from, to)
  }

  onBlock(index: number, crc: number): void {
    this.map.markPresent(index, crc)
    this.#newBlocks.set(index, crc)
  }

  onTaken(): void {
    this.#waiters.wakeAll()
  }

  onWritten(): void {
    if (this.map.complete) this.#finish()
    this.#waiters.wakeAll()
  }

  #readableEnd(offset: number): number {
    return Math.min(this.#fetches.writtenEnd(offset), this.#releasedEnd())
  }

  /** Up to where readers may have bytes: short of the end until the whole was verified. */
  #releasedEnd(): number {
    const checking = this.#digester !== undefined || this.#finishing
    return checking ? this.#heldEnd() : this.attributes.sizeBytes
  }

  /** The same for bytes in memory: only when the last is in the file, it shows what is verified. */
  #heldEnd(): number {
    const { sizeBytes } = this.attributes
    if (this.#verified || expectedDigest(this.attributes) === undefined) return sizeBytes
    return Math.max(0, sizeBytes - WITHHELD_BYTES)
  }

  /** Starts fetches for what nobody fetches yet, and takes over what is too far ahead of a fetch. */
  #ensure(offset: number, lengthBytes: number): void {
    if (this.map.complete || this.#finishing) return
    const first = this.map.indexOf(offset)
    const end = this.map.indexOf(Math.min(offset + lengthBytes, this.attributes.sizeBytes) - 1) + 1
    if (this.pin.kind !== 'none') this.#fetches.takeOver(first)
    for (;;) {
      const run = this.map.absentRun(first, end)
      if (run === undefined || this.#running >= FETCHES_MAX) return
      this.map.claim(run.first, run.end)
      this.#supervise(this.#fetchRun(run.first, run.end))
    }
  }

  async #fetchRun(first: number, end: number): Promise<void> {
    let from = first
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#fetchOnce(from, end)
        return
      } catch (error) {
        while (from < end && this.map.isPresent(from)) from += 1
        if (!isUnreachable(error) || attempt >= FETCH_ATTEMPTS || this.#abort.signal.aborted) {
          this.map.unclaim(from, end)
          throw error
        }
      }
    }
  }

  async #fetchOnce(first: number, end: number): Promise<void> {
    const start = this.map.startOf(first)
    const stop = this.map.endOf(end - 1)
    this.#reservedBytes = Math.min(this.attributes.sizeBytes, this.#reservedBytes + stop - start)
    await this.#work.reserve(this.#reservedBytes)
    const result = await this.#backend.read({
      key: this.#parts.key,
      range: { offset: start, lengthBytes: stop - start },
      pin: this.pin,
      signal: this.#abort.signal,
    })
    if (result.kind !== 'found') throw changedMeanwhile(this.#parts.key)
    if (result.range.offset !== start || result.sizeBytes !== this.attributes.sizeBytes) {
      result.body.discard()
      throw new Failure(
        'backend-corrupt',
        `${this.#parts.key}: the backend answered other bytes than asked for`,
      )
    }
    const fetch = new RangeFetch(this, result.body, { start, end: stop })
    this.#fetches.add(fetch)
    if (this.#stopping) this.#fetches.shorten(fetch, this.map.endOf(first))
    try {
      await fetch.run()
    } finally {
      this.#fetches.delete(fetch)
    }
    this.#waiters.wakeAll()
  }

  /** The first connection: its bytes come without having been asked for block by block. */
  #run(fetch: RangeFetch): void {
    this.#fetches.add(fetch)
    this.#supervise(
      fetch
        .run()
        .catch((error: unknown) => {
          this.#digester?.abandon()
          this.#digester = undefined
          const from = this.map.indexOf(fetch.position)
          this.map.unclaim(from, this.map.indexOf(Math.max(fetch.end - 1, 0)) + 1)
          if (
            !isUnreachable(error) ||
            this.pin.kind === 'none' ||
            !this.#backend.capabilities.pinnedRead
          )
            throw error
          if (!this.#stopping)
            this.#ensure(fetch.position, this.attributes.sizeBytes - fetch.position)
        })
        .finally(() => {
          this.#fetches.delete(fetch)
          if (fetch.cut) {
            this.#digester?.abandon()
            this.#digester = undefined
          }
        }),
    )
  }

  #supervise(work: Promise<void>): void {
    this.#running += 1
    work
      .then(
        () => {
          this.#running -= 1
          // Who waits for bytes or for a free connection looks again.
          this.#waiters.wakeAll()
          this.#storeBlocks()
          this.#endWhenAbandoned()
        },
        (error: unknown) => {
          this.#running -= 1
          this.#fail(error)
        },
      )
      .finally(() => this.#closeWhenIdle())
      .catch((error: unknown) => this.#context.observer.warn('a fill ended badly', { error }))
  }

  /** Journals blocks of a sparse entry, one batch at a time; publishes the entry with the first. */
  #storeBlocks(): void {
    if (this.map.complete || this.#storing !== undefined || this.#newBlocks.size === 0) return
    if (!this.#isSparse() || !this.#parts.token.isCurrent()) return
    this.#storing = this.#storeBatch()
      .catch((error: unknown) => {
        this.#context.observer.warn('blocks were not recorded', { key: this.#parts.key, error })
        this.#newBlocks.clear()
      })
      .finally(() => {
        this.#storing = undefined
        this.#storeBlocks()
        this.#endWhenAbandoned()
        this.#closeWhenIdle()
      })
  }

  async #storeBatch(): Promise<void> {
    const { bucket, key, token } = this.#parts
    const { store, locks } = this.#context
    const published = await locks.hold(keyIdOf(bucket, key), async () => {
      if (!token.isCurrent() || this.#finishing) return false
      const batch = this.#newBlocks
      this.#newBlocks = new Map()
      await failpoint('fill:blocks-written')
      if (this.#record === undefined) {
        const options = { sync: false, settle: this.#parts.settles }
        const place = { bucket, key, work: this.#work }
        this.#record = await store.commit(place, this.#newRecord(undefined, true), options)
        this.#context.unsettled.settled(bucket.id, key)
        const spent = this.#work
        this.#work = store.openPartial(this.#record) ?? spent
        if (this.#work !== spent) spent.discard()
        // The fill may have failed meanwhile; then nobody else gives the file back.
        if (this.#ended) this.#work.discard()
        return true
      }
      this.#record = await store.recordBlocks(this.#record, batch)
      return false
    })
    if (published) await this.#reserveRest()
  }

  /** The commit gave all room back that was reserved; what other connections bring needs it still. */
  async #reserveRest(): Promise<void> {
    this.#reservedBytes = Math.max(0, this.#reservedBytes - this.cachedBytes)
    try {
      await this.#work.reserve(this.#reservedBytes)
    } catch (error) {
      this.#context.observer.warn('a fill under way has no room', { key: this.#parts.key, error })
    }
  }

  #finish(): void {
    if (this.#finishing) return
    this.#finishing = true
    this.#complete().then(
      () => this.#end(),
      (error: unknown) => this.#fail(error),
    )
  }

  async #complete(): Promise<void> {
    const digests = await this.#wholeDigests()
    const expected = expectedDigest(this.attributes)
    if (expected !== undefined && digests.get(expected.algorithm) !== expected.hex) {
      throw new Failure(
        'backend-corrupt',
        `${this.#parts.key}: the bytes do not match the ${expected.algorithm} that the backend states`,
      )
    }
    const { key } = this.#parts
    await this.#publish(digests.get('xxh64')).catch((error: unknown) =>
      this.#context.observer.warn('a fetched object was not kept', { key, error }),
    )
    this.#release()
  }

  #release(): void {
    this.#verified = true
    this.#waiters.wakeAll()
  }

  async #wholeDigests(): Promise<ReadonlyMap<string, string>> {
    const digester = this.#digester
    this.#digester = undefined
    if (digester !== undefined) return digester.digest()
    return digestFile(this.fd, this.attributes.sizeBytes, this.#algorithms())
  }

  #algorithms(): readonly ChecksumAlgorithm[] {
    const expected = expectedDigest(this.attributes)
    return expected === undefined ? ['xxh64'] : ['xxh64', expected.algorithm]
  }

  async #publish(contentXxh64: string | undefined): Promise<void> {
    const { bucket, key, token } = this.#parts
    const { store, locks } = this.#context
    await this.#storing
    // Readers get their last bytes when the object is in the cache, unless somebody else works on it.
    const keyId = keyIdOf(bucket, key)
    if (!token.isCurrent() || locks.isHeld(keyId)) this.#release()
    await locks.hold(keyId, async () => {
      // A late fill feeds its readers and leaves no trace (rule 5).
      if (!token.isCurrent()) {
        this.#work.discard()
        return
      }
      await failpoint('fill:verified')
      const options = { sync: false, settle: this.#parts.settles }
      const place = { bucket, key, work: this.#work }
      this.#record = await store.commit(place, this.#newRecord(contentXxh64, false), options)
      this.#context.unsettled.settled(bucket.id, key)
    })
  }

  #newRecord(contentXxh64: string | undefined, partial: boolean) {
    return {
      attributes: this.attributes,
      contentXxh64,
      pin: this.pin,
      validatedMs: this.askedMs,
      ...(partial ? { blocks: this.map.toTable() } : {}),
    }
  }

  #fail(error: unknown): void {
    if (this.#ended) return
    this.#failure = error
    this.#abort.abort(error)
    this.#fetches.abort()
    this.#digester?.abandon()
    this.#digester = undefined
    if (isFailure(error, 'backend-changed')) {
      this.#context.store.expire(this.#parts.bucket.id, this.#parts.key)
    }
    this.#waiters.wakeAll(error)
    this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#work.discard()
    this.#parts.token.end()
    this.#onEnd(this)
    this.#closeWhenIdle()
  }

  #stopWhenAbandoned(): void {
    if (this.#users > 0 || this.#finishing || this.#ended) return
    if (this.#context.whenAbandoned === 'finish' || !this.#isSparse()) return
    this.#stopping = true
    this.#fetches.shortenAll()
  }

  /** True when the entry may be kept in parts. */
  #isSparse(): boolean {
    const { sparseThresholdBytes } = this.#context.propertiesOf(this.#parts.bucket)
    return this.pin.kind !== 'none' && this.attributes.sizeBytes > sparseThresholdBytes
  }

  /** Nobody reads and nothing comes: what is there of a sparse entry stays, the rest is given up. */
  #endWhenAbandoned(): void {
    if (this.#users > 0 || this.#running > 0 || this.#finishing || this.#ended) return
    if (this.#storing === undefined) this.#end()
  }

  #closeWhenIdle(): void {
    if (!this.#ended || this.#users > 0 || this.#running > 0 || this.#closed) return
    if (this.#storing !== undefined) return
    this.#closed = true
    fs.closeSync(this.fd)
  }
}
