import fs from 'node:fs'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Backend, BackendBody } from '@forebay/backend-port/backend'
import { failpoint } from '@forebay/base/failpoint'
import { isFailure } from '@forebay/base/failure'
import { createDigester } from '@forebay/base/hash/digester'
import type { ObjectAttributes } from '@forebay/model/object'
import type { Pin } from '@forebay/model/version'
import type { ObjectRecord, WorkFile } from '../store/contract.ts'
import { BlockMap } from './block-map.ts'
import { BlockSums } from './block-sums.ts'
import { choosePace } from './choose-pace.ts'
import type { ConnectionShare } from './connection-share.ts'
import { keyIdOf, type ObjectContext } from './context.ts'
import { dropCorrupt } from './drop-corrupt.ts'
import { algorithmsInRow, checkDigest, expectedDigest } from './expected-digest.ts'
import type { FetchPace } from './fetch-pace.ts'
import { Fetching, type FetchingHost, FILL_OVER } from './fetching.ts'
import { digestFile } from './file-digest.ts'
import { type FillParts, mayStayPartial, recordOf } from './fill-parts.ts'
import { isUnreachable } from './is-unreachable.ts'
import { publishCurrent } from './publish-current.ts'
import type { RangeFetch } from './range-fetch.ts'
import { type Reader, Readers } from './readers.ts'
import { RowDigest } from './row-digest.ts'
import { Waiters, type WantedBytes } from './waiters.ts'

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
export class Fill implements FetchingHost {
  readonly attributes: ObjectAttributes
  readonly pin: Pin
  readonly askedMs: number
  readonly map: BlockMap
  readonly fd: number
  readonly backend: Backend
  readonly readers = new Readers()
  readonly sums: BlockSums | undefined
  readonly pace: FetchPace | undefined
  readonly share: ConnectionShare
  readonly #context: ObjectContext
  readonly #parts: FillParts
  readonly #fetching: Fetching
  readonly #waiters = new Waiters()
  readonly #onEnd: (fill: Fill) => void
  #record: ObjectRecord | undefined
  #work: WorkFile
  #reservedBytes = 0
  #newBlocks = new Map<number, number>()
  #storing: Promise<void> | undefined
  readonly #row = new RowDigest()
  #verified = false
  /** From the last byte in the file on: resolves when the cache has it, or never will. */
  completing: Promise<void> | undefined
  #failure: unknown
  #ended = false
  #closed = false
  #wantsWhole = false
  /** Has one of the places of fills that go on in the background. */
  #inBackground = false
  /** Blocks are worth recording before the object is whole: it may not become so. */
  #keepsBlocks = true

  constructor(context: ObjectContext, parts: FillParts, onEnd: (fill: Fill) => void) {
    const properties = context.propertiesOf(parts.bucket)
    this.#context = context
    this.backend = context.backendOf(parts.bucket)
    this.share = context.fills.share
    this.#parts = parts
    this.#onEnd = onEnd
    this.#record = parts.record
    this.#work = parts.work
    this.attributes = parts.attributes
    this.pin = parts.pin
    this.askedMs = parts.askedMs
    const table = parts.record?.blocks
    const blockBytes = table?.blockBytes ?? properties.blockBytes
    this.map = new BlockMap(this.sizeBytes, blockBytes, table)
    this.pace = choosePace(context, parts)
    this.sums =
      this.pace === undefined ? undefined : BlockSums.of(this.map, expectedDigest(parts.attributes))
    this.#fetching = new Fetching(this)
    this.fd = parts.work.lend()
    if (this.map.complete) this.#finish()
  }

  get cachedBytes(): number {
    return this.map.presentBytes
  }

  get #isFinishing(): boolean {
    return this.completing !== undefined
  }

  /** While readers have all of it and the cache does not yet: resolves when it does, or never will. */
  get publishing(): Promise<void> | undefined {
    return this.#verified && !this.#ended ? this.completing : undefined
  }

  /** True while later readers may join. */
  get joinable(): boolean {
    return this.#failure === undefined && !this.#ended && this.#parts.token.isCurrent()
  }

  /** The body of a whole read that opened this fill. */
  consume(body: BackendBody): void {
    if (this.map.complete) {
      body.discard()
      return
    }
    // Room for all of it was made when its file was.
    this.#reservedBytes = this.sizeBytes
    this.#keepsBlocks = false
    this.#wantsWhole = this.#context.whenAbandoned === 'finish'
    const algorithms = algorithmsInRow(this.attributes, this.sums !== undefined)
    const digester = createDigester(algorithms, { expectedBytes: this.sizeBytes })
    this.#row.start(digester)
    this.#fetching.consume(body, digester)
  }

  /** Takes part, as a reader of `[offset, end)`, until `leave`; the descriptor stays open for as long. */
  join(offset: number, end: number): Reader {
    this.#fetching.go()
    const reader = this.readers.add(offset, end)
    this.#completeWhenMuchIsThere()
    if (this.#wantsWhole) this.#fetching.dispatch()
    return reader
  }

  /** Makes sure of room for what is missing. @throws Failure `slow-down` | `out-of-space` */
  async findRoom({ offset, end }: Reader): Promise<void> {
    await this.#work.reserve(this.#reservedBytes + this.map.absentBytes(offset, end))
    this.#work.reserveOnly(this.#reservedBytes)
  }

  leave(reader: Reader): void {
    this.readers.delete(reader)
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
    const { offset, lengthBytes, held, whole } = want
    for (;;) {
      const readableBytes = this.#readableEnd(offset, whole) - offset
      if (readableBytes > 0) return readableBytes
      if (held && offset < this.#heldEnd() && this.#fetching.isHeld(offset)) return 0
      if (this.#failure !== undefined) throw this.#failure
      signal.throwIfAborted()
      if (!this.map.complete && !this.#isFinishing) this.#fetching.want(offset, lengthBytes)
      if (this.#readableEnd(offset, whole) > offset) continue
      await this.#waiters.wait(offset, signal)
    }
  }

  /** Copies bytes from `offset` on that are in memory; how many: 0 when there are none. */
  copyHeld(offset: number, into: Buffer): number {
    const room = this.#heldEnd() - offset
    return room <= 0 ? 0 : this.#fetching.copyHeld(offset, into.subarray(0, room))
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

  // FetchingHost

  get key(): string {
    return this.#parts.key
  }

  get wantsWhole(): boolean {
    return this.#wantsWhole && this.#parts.token.isCurrent()
  }

  get sizeBytes(): number {
    return this.attributes.sizeBytes
  }

  isAwaited(from: number, to: number): boolean {
    return this.#waiters.anyIn(from, to)
  }

  async reserve(lengthBytes: number): Promise<void> {
    this.#reservedBytes = Math.min(this.sizeBytes, this.#reservedBytes + lengthBytes)
    await this.#work.reserve(this.#reservedBytes)
  }

  onArrived(lengthBytes: number): void {
    this.#fetching.arrived(lengthBytes)
  }

  onBlock(index: number, crc: number): void {
    this.map.markPresent(index, crc)
    this.#newBlocks.set(index, crc)
    this.#completeWhenMuchIsThere()
  }

  onTaken(fetch: RangeFetch): void {
    this.#waiters.wakeIn(fetch.start, fetch.takenTo)
  }

  onRowEnd(): void {
    this.#row.prove(expectedDigest(this.attributes), () => this.#waiters.wakeAll())
  }

  onWritten(fetch: RangeFetch): void {
    if (this.map.complete) this.#finish()
    this.#waiters.wakeIn(fetch.start, fetch.position)
  }

  onStreamCut(): void {
    this.#row.abandon()
  }

  onTrouble(): void {
    this.#keepsBlocks = true
  }

  onOutdated(): void {
    this.#context.store.expire(this.#parts.bucket.id, this.#parts.key)
    this.retire()
  }

  onFreed(): void {
    this.#waiters.wakeAll()
  }

  onRunEnd(): void {
    // Who waits for bytes or for a free connection looks again.
    this.#waiters.wakeAll()
    this.#storeBlocks()
    this.#endWhenAbandoned()
  }

  onRunFailed(error: unknown): void {
    this.#fail(error)
  }

  onBackgroundFailed(error: unknown): void {
    this.#wantsWhole = false
    this.onFurtherFailed(error)
  }

  onFurtherFailed(error: unknown): void {
    // Who waits for what it was to bring asks for that itself.
    if (isUnreachable(error) || isFailure(error, 'slow-down', 'out-of-space')) this.onRunEnd()
    else this.#fail(error)
  }

  onRunGone(): void {
    this.#closeWhenIdle()
  }

  warn(event: string, error: unknown): void {
    this.#context.observer.warn(event, { key: this.#parts.key, error })
  }

  #readableEnd(offset: number, whole: boolean): number {
    return Math.min(this.#fetching.writtenEnd(offset), this.#releasedEnd(whole))
  }

  /**
   * Up to where readers may have bytes: who reads the whole object, short of the end until it was
   * verified. Such a reader may be past blocks in memory that are not in the file yet.
   */
  #releasedEnd(whole: boolean): number {
    const checking = whole || this.#row.isRunning || this.#isFinishing
    return checking ? this.#heldEnd() : this.attributes.sizeBytes
  }

  /** The same for bytes in memory. */
  #heldEnd(): number {
    if (this.#verified || this.#row.isProven) return this.sizeBytes
    if (expectedDigest(this.attributes) === undefined) return this.sizeBytes
    return Math.max(0, this.sizeBytes - WITHHELD_BYTES)
  }

  /** From a share of the object on, where the bucket says so, the rest is fetched for nobody. */
  #completeWhenMuchIsThere(): void {
    const { fillWholePercent } = this.#context.propertiesOf(this.#parts.bucket)
    if (this.#wantsWhole || this.#inBackground || this.map.complete || !this.#isSparse()) return
    if (this.cachedBytes * 100 < fillWholePercent * this.sizeBytes) return
    if (!this.#context.fills.background.take()) return
    this.#inBackground = true
    this.#wantsWhole = true
    // The reader whose block it was may have left already.
    this.#fetching.go()
  }

  /** Journals blocks of a sparse entry, one batch at a time; publishes the entry with the first. */
  #storeBlocks(): void {
    if (this.map.complete || this.#storing !== undefined || this.#newBlocks.size === 0) return
    if (!this.#keepsBlocks) return
    if (!this.#isSparse() || !this.#parts.token.isCurrent()) return
    this.#storing = this.#storeBatch()
      .catch((error: unknown) => {
        this.warn('blocks were not recorded', error)
        this.#newBlocks.clear()
      })
      .finally(() => {
        this.#storing = undefined
        this.#storeBlocks()
        if (this.#failure !== undefined && this.#storing === undefined) this.#end()
        this.#endWhenAbandoned()
        this.#closeWhenIdle()
      })
  }

  async #storeBatch(): Promise<void> {
    const { bucket, key, token } = this.#parts
    const { store, locks } = this.#context
    const recorded = await locks.hold(keyIdOf(bucket, key), async () => {
      if (!token.isCurrent() || this.#isFinishing) return false
      const batch = this.#newBlocks
      this.#newBlocks = new Map()
      await failpoint('fill:blocks-written')
      if (this.#record === undefined) {
        const options = { sync: false, settle: this.#parts.settles }
        const place = { bucket, key, work: this.#work }
        this.#record = await store.commit(place, recordOf(this, { partial: true }), options)
        this.#context.unsettled.settled(bucket.id, key)
        const spent = this.#work
        this.#work = store.openPartial(this.#record) ?? spent
        if (this.#work !== spent) spent.discard()
        // The fill may have failed meanwhile; then nobody else gives the file back.
        if (this.#ended) this.#work.discard()
        return true
      }
      this.#record = await store.recordBlocks(this.#record, batch)
      return true
    })
    if (recorded) await this.#reserveRest()
  }

  /** What is recorded counts as used; what is on its way, or came and is in no record, needs room still. */
  async #reserveRest(): Promise<void> {
    this.#reservedBytes = this.map.claimedBytes + this.map.bytesOf(this.#newBlocks.keys())
    this.#work.reserveOnly(this.#reservedBytes)
    try {
      await this.#work.reserve(this.#reservedBytes)
    } catch (error) {
      this.warn('a fill under way has no room', error)
    }
  }

  #finish(): void {
    if (this.completing !== undefined) return
    this.completing = this.#complete().then(
      () => this.#end(),
      (error: unknown) => {
        this.#fail(error)
        if (!isFailure(error, 'backend-corrupt', 'object-corrupt')) return
        // One of the blocks kept is wrong, and nobody knows which.
        dropCorrupt(this.#context, this.#parts, this.#record).catch((cause: unknown) =>
          this.warn('a corrupt entry stays', cause),
        )
      },
    )
  }

  async #complete(): Promise<void> {
    const stated = expectedDigest(this.attributes)
    const bySums = stated === undefined ? undefined : this.sums?.whole()
    if (stated !== undefined && bySums !== undefined) checkDigest(this.key, stated, bySums)
    if (bySums !== undefined && !this.#row.isRunning) this.#release()
    const digests = await this.#wholeDigests(bySums !== undefined)
    if (stated !== undefined && bySums === undefined)
      checkDigest(this.key, stated, digests.get(stated.algorithm))
    this.#release()
    // The answers first: what still comes is for those who read it next, see `publishing`.
    await nextTurn()
    await this.#publish(digests.get('xxh64')).catch((error: unknown) =>
      this.warn('a fetched object was not kept', error),
    )
  }

  #release(): void {
    this.#verified = true
    this.#waiters.wakeAll()
  }

  async #wholeDigests(verified: boolean): Promise<ReadonlyMap<string, string>> {
    const inRow = this.#row.end()
    if (inRow !== undefined) return inRow
    // The crc32c of the whole serves the record as well: nothing is read again.
    if (verified && this.sums?.algorithm === 'crc32c') return new Map()
    const reader = this.join(0, 0) // The file stays open under it.
    const digests = digestFile(this, this.sizeBytes, algorithmsInRow(this.attributes, verified))
    return digests.finally(() => this.leave(reader))
  }

  async #publish(contentXxh64: string | undefined): Promise<void> {
    const { bucket, key } = this.#parts
    await this.#storing
    const published = await publishCurrent(this.#context, this.#parts, async () => {
      await failpoint('fill:verified')
      const options = { sync: false, settle: this.#parts.settles }
      const place = { bucket, key, work: this.#work }
      this.#record = await this.#context.store.commit(
        place,
        recordOf(this, { contentXxh64 }),
        options,
      )
      return this.#record
    })
    if (published === undefined) this.#work.discard()
  }

  #fail(error: unknown): void {
    if (this.#ended || this.#failure !== undefined) return
    this.#failure = error
    this.#fetching.abort(error)
    this.onStreamCut()
    const { bucket, key } = this.#parts
    if (isFailure(error, 'backend-changed')) this.#context.store.expire(bucket.id, key)
    this.#waiters.wakeAll(error)
    // What came before the backend was gone is good.
    if (isUnreachable(error)) this.#storeBlocks()
    if (this.#storing === undefined || !isUnreachable(error)) this.#end()
  }

  #end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#work.discard()
    this.#parts.token.end()
    if (this.#inBackground) this.#context.fills.background.give()
    this.#fetching.abort(FILL_OVER)
    this.#onEnd(this)
    this.#closeWhenIdle()
  }

  #stopWhenAbandoned(): void {
    if (this.readers.count > 0 || this.#isFinishing || this.#ended || this.wantsWhole) return
    if (this.#context.whenAbandoned === 'finish' || !this.#isSparse()) return
    this.#keepsBlocks = true
    this.#fetching.stop()
    this.#storeBlocks()
  }

  /** True when the entry may be kept in parts. */
  #isSparse(): boolean {
    return mayStayPartial(this.#context.propertiesOf(this.#parts.bucket), this)
  }

  /** Nobody reads and nothing comes: what is there of a sparse entry stays, the rest is given up. */
  #endWhenAbandoned(): void {
    if (this.readers.count > 0 || this.#fetching.running > 0) return
    if (!this.#isFinishing && this.#storing === undefined) this.#end()
  }

  #closeWhenIdle(): void {
    if (!this.#ended || this.#closed || this.readers.count > 0) return
    if (this.#fetching.running > 0 || this.#storing !== undefined) return
    this.#closed = true
    // One without a name frees its blocks now, off the loop.
    if (this.#record === undefined) fs.close(this.fd, () => undefined)
    else fs.closeSync(this.fd)
  }
}
