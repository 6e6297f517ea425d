import { setImmediate as turn } from 'node:timers/promises'
import { failpoint } from '@forebay/base/failpoint'
import type { BucketRecord } from '@forebay/model/bucket'
import { resolveProperties } from '@forebay/model/bucket-properties'
import { encodeName } from '../store/index-db.ts'
import { removeEntry } from '../store/remove.ts'
import { type SweptEntry, sweepPage } from '../store/scan.ts'
import type { Drive, StoreContext } from '../store/store-context.ts'

/** Entries looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** Entries looked at in one round before victims are taken: a sample of a large store, all of a small one. */
export const SAMPLE_MAX = 16_384

/** Share of a round's evictable entries that may go: a round of a large store is only a sample. */
const VICTIM_SHARE_MAX = 0.25

interface Victim {
  readonly bucketId: number
  readonly key: string
  readonly counter: number
  readonly allocatedBytes: number
  readonly rank: number
}

/**
 * Brings mountpaths back to their low watermark. It goes round the index like a clock hand, ranks what
 * it sees by the policy, and removes the lowest, each under its key's lock like any other writer. One
 * round at a time for a mountpath; between removals user traffic has its turn.
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
    let freed = 0
    let objects = 0
    // At least one victim even under the low mark: somebody waits for room.
    const wanted = Math.max(1, drive.space.excessBytes)
    while (freed < wanted && !this.#closed) {
      // The sweep reads the file: what was just stored may be the only thing that can go.
      await this.#context.index.settled()
      const victims = await this.#choose(drive)
      let freedNow = 0
      for (const victim of victims) {
        if (freed + freedNow >= wanted || this.#closed) break
        if (!(await this.#evict(victim))) continue
        freedNow += victim.allocatedBytes
        objects += 1
        await turn()
      }
      if (freedNow === 0) break
      freed += freedNow
    }
    const facts = { mountpath: drive.mountpath.root, objects, bytes: freed }
    if (objects > 0) this.#context.observer.event('evicted', facts)
    return freed > 0
  }

  /** The entries to remove, the first to go first. */
  async #choose(drive: Drive): Promise<readonly Victim[]> {
    const { number } = drive.mountpath
    const start = encodeName(0, '')
    const candidates: Victim[] = []
    let hand: Uint8Array | undefined = this.#hands.get(number) ?? start
    let seen = 0
    let wrapped = false
    while (seen < SAMPLE_MAX) {
      const page = sweepPage(this.#context.index.databases, hand ?? start, PAGE_MAX)
      for (const entry of page.entries) this.#consider(entry, number, candidates)
      seen += page.entries.length
      hand = page.next
      if (hand === undefined) {
        if (wrapped) break
        wrapped = true
        hand = start
        // From the start on: nothing of what follows the hand is seen twice in one round.
        candidates.length = 0
      }
      await turn()
    }
    this.#hands.set(number, hand ?? start)
    candidates.sort((a, b) => a.rank - b.rank || a.counter - b.counter)
    const whole = wrapped && seen < SAMPLE_MAX
    const share = whole ? candidates.length : Math.ceil(candidates.length * VICTIM_SHARE_MAX)
    return candidates.slice(0, share)
  }

  #consider({ bucketId, key, header }: SweptEntry, mountpath: number, into: Victim[]): void {
    if (header.mountpath !== mountpath || header.allocatedBytes === 0) return
    if (this.#context.filling.has(header.inode)) return
    const bucket = this.#context.bucketOf(bucketId)
    if (bucket === undefined || !isEvictable(bucket)) return
    if (this.#context.index.isUnsettled(bucketId, key)) return
    const { counter, allocatedBytes } = header
    const rank = this.#context.policy.rank(counter)
    into.push({ bucketId, key, counter, allocatedBytes, rank })
  }

  /** @returns false when the entry is another one by now, in use, or could not be removed */
  async #evict({ bucketId, key, counter, rank }: Victim): Promise<boolean> {
    const { index, filling, policy } = this.#context
    await failpoint('evict:chosen')
    const release = await this.#context.lockKey(bucketId, key)
    try {
      await failpoint('evict:locked')
      const record = index.current(bucketId, key)
      if (record === undefined || record.stamp.counter !== counter) return false
      if (filling.has(record.location.inode) || index.isUnsettled(bucketId, key)) return false
      // Used since it was chosen: it is not the least recently used any more.
      if (policy.rank(counter) !== rank) return false
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

const evictable = new WeakMap<BucketRecord, boolean>()

function isEvictable(bucket: BucketRecord): boolean {
  const known = evictable.get(bucket)
  if (known !== undefined) return known
  const answer = resolveProperties(bucket.backend, bucket.properties).evictable
  evictable.set(bucket, answer)
  return answer
}
