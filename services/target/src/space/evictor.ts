import { Buffer } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import type { BucketRecord } from '@forebay/model/bucket'
import { encodeName, nextAfterPrefix } from '../store/index-db.ts'
import { type SweepPage, type SweptEntry, sweepPage } from '../store/scan.ts'
import type { StoreContext } from '../store/store-context.ts'
import type { Selection } from './bucket-policies.ts'
import { pinOf, rulesOf } from './bucket-rules.ts'
import { evictEntry } from './evict-entry.ts'

/** Entries looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** Objects that a sweep takes note of before the policies choose anew: after a crash they may know nothing. */
const ADOPTED_MAX = 4096

/** After a round in a bucket that freed nothing the next one waits so long, ms: it would find the same. */
const FUTILE_MS = 1000

/** What a round frees room on: a mountpath, or in a bucket's quota. */
interface Scope {
  readonly name: string
  /** Aborted: the round ends. */
  readonly signal?: AbortSignal | undefined
  readonly selection: Selection
  readonly facts: Readonly<Record<string, string | number>>
  /** Bytes that are too many now. */
  excessBytes(): number
}

/** What a round came to; bytes as they were on disk. */
export interface Freed {
  readonly bytes: number
  readonly objects: number
}

const NOTHING_FREED: Freed = { bytes: 0, objects: 0 }

/** What a way round the index came to. */
interface Sweep {
  readonly freedBytes: number
  readonly objects: number
  /** Objects that their policy did not know. */
  readonly adopted: number
  /** It came all the way round. */
  readonly whole: boolean
}

/**
 * Brings mountpaths back to their low watermark, and buckets below their quota. The policies choose
 * what goes; a sweep finds it in the index, which goes round like a clock hand, and removes it, each
 * entry under its key's lock like any other writer. One round at a time for a mountpath or a bucket;
 * between removals user traffic has its turn.
 */
export class Evictor {
  readonly #context: StoreContext
  readonly #rounds = new Map<string, Promise<boolean>>()
  /** Where the hand of each scope stands. */
  readonly #hands = new Map<string, Uint8Array>()
  /** Rounds in buckets that freed nothing: with which rules, and until when that counts. */
  readonly #futile = new Map<number, { readonly row: BucketRecord; readonly untilMs: number }>()
  #closed = false

  constructor(context: StoreContext) {
    this.#context = context
    context.quotas.evictWith((bucketId) => this.makeRoomIn(bucketId))
  }

  /** Runs a round on a mountpath unless one is under way. Resolves true when it freed anything. */
  makeRoom(mountpath: number): Promise<boolean> {
    const drive = this.#context.driveByNumber.get(mountpath)
    if (drive === undefined) return Promise.resolve(false)
    return this.#start({
      name: `mountpath ${mountpath}`,
      selection: { mountpath },
      facts: { mountpath: drive.mountpath.root },
      excessBytes: () => drive.space.excessBytes,
    })
  }

  /** The same among the objects of a bucket, wherever they lie. */
  async makeRoomIn(bucketId: number): Promise<boolean> {
    const { quotas, clock, bucketOf } = this.#context
    const row = bucketOf(bucketId)
    if (row === undefined || rulesOf(row).policy === undefined) return false
    const futile = this.#futile.get(bucketId)
    if (futile?.row === row && clock.monotonic() < futile.untilMs) return false
    const freed = await this.#start({
      name: `bucket ${bucketId}`,
      selection: { bucketId },
      facts: { bucketId },
      excessBytes: () => quotas.excessBytes(bucketId),
    })
    if (freed) this.#futile.delete(bucketId)
    else this.#futile.set(bucketId, { row, untilMs: clock.monotonic() + FUTILE_MS })
    return freed
  }

  /**
   * Frees so many bytes by order, whatever the watermarks say, after the round that is under way on the
   * same. Ends early when its signal aborts; pinned and native objects stay.
   *
   * @returns what was freed; less than asked for when nothing else may go
   */
  async free(
    selection: Selection & { readonly mountpath: number },
    wanted: { readonly bytes: number; readonly signal: AbortSignal },
  ): Promise<Freed> {
    const { mountpath, bucketId } = selection
    // The same name as rounds without an order have: one at a time, and who waits for room joins.
    const name = `mountpath ${mountpath}${bucketId === undefined ? '' : ` bucket ${bucketId}`}`
    while (this.#rounds.has(name)) await this.#rounds.get(name)
    if (this.#closed || wanted.signal.aborted) return NOTHING_FREED
    const facts = {
      mountpath: this.#context.driveByNumber.get(mountpath)?.mountpath.root ?? '',
      ...(bucketId === undefined ? {} : { bucketId }),
    }
    const scope = { name, selection, facts, excessBytes: () => wanted.bytes, signal: wanted.signal }
    const round = this.#run(scope).finally(() => this.#rounds.delete(name))
    this.#rounds.set(
      name,
      round.then(
        ({ bytes }) => bytes > 0,
        () => false,
      ),
    )
    return round
  }

  /** Ends the rounds under way. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#rounds.values())
  }

  #start(scope: Scope): Promise<boolean> {
    const running = this.#rounds.get(scope.name)
    if (running !== undefined) return running
    if (this.#closed) return Promise.resolve(false)
    const round = this.#run(scope)
      .then(({ bytes }) => bytes > 0)
      .catch(() => {
        this.#context.observer.event('eviction-short', scope.facts)
        return false
      })
      .finally(() => this.#rounds.delete(scope.name))
    this.#rounds.set(scope.name, round)
    return round
  }

  async #run(scope: Scope): Promise<Freed> {
    // At least one victim even under the low mark: somebody waits for room.
    const wanted = Math.max(1, scope.excessBytes())
    let freed = 0
    let objects = 0
    let adopting = false
    while (freed < wanted && !this.#ends(scope)) {
      await this.#choose(scope, wanted - freed)
      const sweep = await this.#sweep(scope, wanted - freed)
      freed += sweep.freedBytes
      objects += sweep.objects
      if (freed >= wanted) break
      if (!sweep.whole) continue
      // All the way round: what is still chosen is in use, is pinned by now, or was never there.
      const forgotten = this.#context.policies.forgetChosen(scope.selection)
      if (sweep.freedBytes > 0) {
        adopting = false
        continue
      }
      // Once more with what is known now; who is adopted again and again is in use.
      if (adopting || (sweep.adopted === 0 && forgotten === 0)) break
      adopting = sweep.adopted > 0
    }
    if (objects > 0) {
      this.#context.observer.event('evicted', { ...scope.facts, objects, bytes: freed })
    }
    return { bytes: freed, objects }
  }

  #ends({ signal }: Scope): boolean {
    return this.#closed || signal?.aborted === true
  }

  /** Lets the policies choose, a part between two turns. */
  async #choose(scope: Scope, bytes: number): Promise<void> {
    for (let chosen = 0; chosen < bytes && !this.#ends(scope); ) {
      const more = this.#context.policies.choose(scope.selection, bytes - chosen)
      if (more === 0) return
      chosen += more
      await turn()
    }
  }

  /** Goes on from the hand until so much is freed, at most once round. */
  async #sweep(scope: Scope, bytes: number): Promise<Sweep> {
    const { index } = this.#context
    // The sweep reads the file: what was just stored may be the only thing that can go.
    await index.settled()
    const start = encodeName(scope.selection.bucketId ?? 0, '')
    const from = this.#hands.get(scope.name) ?? start
    let hand = from
    let wrapped = false
    let whole = false
    let total: Sweep = { freedBytes: 0, objects: 0, adopted: 0, whole }
    while (!this.#ends(scope)) {
      const page = this.#page(scope, hand)
      total = await this.#take(page.entries, scope, { ...total, wantedBytes: bytes })
      if (total.freedBytes >= bytes) break
      // It goes on behind this page when the policies have chosen of what they know now.
      if (total.adopted >= ADOPTED_MAX && page.next !== undefined) {
        hand = page.next
        break
      }
      const next = this.#skip(scope, page)
      whole = next === undefined && wrapped
      wrapped ||= next === undefined
      hand = next ?? start
      whole ||= wrapped && Buffer.compare(hand, from) >= 0
      if (whole) break
      await turn()
    }
    this.#hands.set(scope.name, hand)
    return { ...total, whole }
  }

  #page({ selection }: Scope, hand: Uint8Array): SweepPage {
    const page = sweepPage(this.#context.index.databases, hand, PAGE_MAX)
    const { bucketId } = selection
    if (bucketId === undefined || page.entries.at(-1)?.bucketId === bucketId) return page
    return { entries: page.entries.filter((entry) => entry.bucketId === bucketId), next: undefined }
  }

  /** Where to go on behind a page: behind a prefix that is pinned, at the next bucket when this one has nothing for the sweep. */
  #skip({ selection }: Scope, { entries, next }: SweepPage): Uint8Array | undefined {
    const last = entries.at(-1)
    if (next === undefined || last === undefined) return next
    const { index, policies, bucketOf, clock } = this.#context
    const { objects } = index.bucketTally(last.bucketId)
    const behind = encodeName(last.bucketId + 1, '')
    if (!policies.isWorthSweep(selection, last.bucketId, objects)) {
      return selection.bucketId === undefined ? behind : undefined
    }
    const pinned = pinOf(rulesOf(bucketOf(last.bucketId)), last.key, clock.now())
    if (pinned === undefined) return next
    const behindPin = nextAfterPrefix(encodeName(last.bucketId, pinned)) ?? behind
    const isLast = selection.bucketId !== undefined && Buffer.compare(behindPin, behind) >= 0
    return isLast ? undefined : behindPin
  }

  async #take(
    entries: readonly SweptEntry[],
    scope: Scope,
    sofar: Sweep & { readonly wantedBytes: number },
  ): Promise<Sweep> {
    const { selection } = scope
    const { policies, driveByNumber } = this.#context
    let { freedBytes, objects, adopted } = sofar
    for (const entry of entries) {
      if (freedBytes >= sofar.wantedBytes || this.#ends(scope)) break
      const { bucketId, key, header } = entry
      const { mountpath, allocatedBytes } = header
      if (mountpath !== (selection.mountpath ?? mountpath) || allocatedBytes === 0) continue
      if (!driveByNumber.has(mountpath)) continue
      const name = { mountpath, bucketId, key }
      if (policies.isChosen(name)) {
        const isDue = (now: number) => policies.isChosen({ mountpath: now, bucketId, key })
        // Used since it was chosen: it is worth keeping after all.
        if (!(await evictEntry(this.#context, entry, { why: 'evict', isDue }))) continue
        freedBytes += allocatedBytes
        objects += 1
        await turn()
      } else if (this.#isForgotten(entry)) {
        policies.stored(name, allocatedBytes)
        adopted += 1
      }
    }
    return { freedBytes, objects, adopted, whole: false }
  }

  /** True for an object that its policy should know: stored before the last crash, or spared before. */
  #isForgotten({ bucketId, key, header }: SweptEntry): boolean {
    const { index, policies } = this.#context
    if (!policies.isUnknown({ mountpath: header.mountpath, bucketId, key })) return false
    return index.current(bucketId, key)?.stamp.counter === header.counter
  }
}
