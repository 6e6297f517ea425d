import { Buffer } from 'node:buffer'
import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import { encodeName } from '../store/index-db.ts'
import { removeEntry } from '../store/remove.ts'
import { type SweptEntry, sweepPage } from '../store/scan.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'

/** Entries looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** Objects that a sweep takes note of before the policies choose anew: after a crash they may know nothing. */
const ADOPTED_MAX = 4096

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
 * Brings mountpaths back to their low watermark. The policies choose what goes; a sweep finds it in
 * the index, which goes round like a clock hand, and removes it, each entry under its key's lock like
 * any other writer. One round at a time for a mountpath; between removals user traffic has its turn.
 */
export class Evictor {
  readonly #context: StoreContext
  readonly #rounds = new Map<number, Promise<boolean>>()
  /** Where the hand of each mountpath stands. */
  readonly #hands = new Map<number, Uint8Array>()
  #closed = false

  constructor(context: StoreContext) {
    this.#context = context
  }

  /** Runs a round unless one is under way. Resolves true when it freed anything. */
  makeRoom(mountpath: number): Promise<boolean> {
    const running = this.#rounds.get(mountpath)
    if (running !== undefined) return running
    const drive = this.#context.driveByNumber.get(mountpath)
    if (drive === undefined || this.#closed) return Promise.resolve(false)
    const round = this.#run(drive)
      .catch(() => {
        this.#context.observer.event('eviction-short', { mountpath: drive.mountpath.root })
        return false
      })
      .finally(() => this.#rounds.delete(mountpath))
    this.#rounds.set(mountpath, round)
    return round
  }

  /** Ends the rounds under way. */
  async close(): Promise<void> {
    this.#closed = true
    await Promise.all(this.#rounds.values())
  }

  async #run(drive: Drive): Promise<boolean> {
    const { number, root } = drive.mountpath
    // At least one victim even under the low mark: somebody waits for room.
    const wanted = Math.max(1, drive.space.excessBytes)
    let freed = 0
    let objects = 0
    let adopting = false
    while (freed < wanted && !this.#closed) {
      await this.#choose(number, wanted - freed)
      const sweep = await this.#sweep(number, wanted - freed)
      freed += sweep.freedBytes
      objects += sweep.objects
      if (freed >= wanted) break
      if (!sweep.whole) continue
      // All the way round: what is still chosen is in use, or was never there.
      this.#context.policies.forgetChosen(number)
      // Once more with what is known now; who is adopted again and again is in use.
      if (sweep.freedBytes === 0 && (sweep.adopted === 0 || adopting)) break
      adopting = sweep.freedBytes === 0
    }
    if (objects > 0) {
      this.#context.observer.event('evicted', { mountpath: root, objects, bytes: freed })
    }
    return freed > 0
  }

  /** Lets the policies choose, a part between two turns. */
  async #choose(mountpath: number, bytes: number): Promise<void> {
    for (let chosen = 0; chosen < bytes && !this.#closed; ) {
      const more = this.#context.policies.choose(mountpath, bytes - chosen)
      if (more === 0) return
      chosen += more
      await turn()
    }
  }

  /** Goes on from the hand until so much is freed, at most once round. */
  async #sweep(mountpath: number, bytes: number): Promise<Sweep> {
    const { index } = this.#context
    // The sweep reads the file: what was just stored may be the only thing that can go.
    await index.settled()
    const start = encodeName(0, '')
    const from = this.#hands.get(mountpath) ?? start
    let hand = from
    let wrapped = false
    let whole = false
    let total: Sweep = { freedBytes: 0, objects: 0, adopted: 0, whole }
    while (!this.#closed) {
      const page = sweepPage(index.databases, hand, PAGE_MAX)
      total = await this.#take(page.entries, mountpath, { ...total, wantedBytes: bytes })
      if (total.freedBytes >= bytes) break
      // It goes on behind this page when the policies have chosen of what they know now.
      if (total.adopted >= ADOPTED_MAX && page.next !== undefined) {
        hand = page.next
        break
      }
      const next = this.#skip(page, mountpath)
      whole = next === undefined && wrapped
      wrapped ||= next === undefined
      hand = next ?? start
      whole ||= wrapped && Buffer.compare(hand, from) >= 0
      if (whole) break
      await turn()
    }
    this.#hands.set(mountpath, hand)
    return { ...total, whole }
  }

  /** Where to go on behind a page: at the next bucket when this one has nothing for the sweep. */
  #skip(
    { entries, next }: ReturnType<typeof sweepPage>,
    mountpath: number,
  ): Uint8Array | undefined {
    const last = entries.at(-1)
    if (next === undefined || last === undefined) return next
    const { index, policies } = this.#context
    const { objects } = index.bucketTally(last.bucketId)
    const worth = policies.isWorthSweep(mountpath, last.bucketId, objects)
    return worth ? next : encodeName(last.bucketId + 1, '')
  }

  async #take(
    entries: readonly SweptEntry[],
    mountpath: number,
    sofar: Sweep & { readonly wantedBytes: number },
  ): Promise<Sweep> {
    let { freedBytes, objects, adopted } = sofar
    for (const entry of entries) {
      if (freedBytes >= sofar.wantedBytes || this.#closed) break
      const { bucketId, key, header } = entry
      if (header.mountpath !== mountpath || header.allocatedBytes === 0) continue
      const name = { mountpath, bucketId, key }
      if (this.#context.policies.isChosen(name)) {
        if (!(await this.#evict(entry))) continue
        freedBytes += header.allocatedBytes
        objects += 1
        await turn()
      } else if (this.#isForgotten(entry)) {
        this.#context.policies.stored(name, header.allocatedBytes)
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

  /** @returns false when the entry is another one by now, in use, or could not be removed */
  async #evict({ bucketId, key, header }: SweptEntry): Promise<boolean> {
    const { index, filling, policies } = this.#context
    if (filling.has(header.inode) || index.isUnsettled(bucketId, key)) return false
    await failpoint('evict:chosen')
    const release = await this.#context.lockKey(bucketId, key)
    try {
      await failpoint('evict:locked')
      const record = index.current(bucketId, key)
      if (record === undefined || record.stamp.counter !== header.counter) return false
      if (filling.has(record.location.inode) || index.isUnsettled(bucketId, key)) return false
      // Used since it was chosen: it is worth keeping after all.
      const { mountpath } = record.location
      if (!policies.isChosen({ mountpath, bucketId, key })) return false
      return await removeEntry(
        this.#context,
        { bucketId, key },
        { sync: false, settle: false, why: 'evict' },
      )
    } finally {
      release()
    }
  }
}
