import { setImmediate as turn } from 'node:timers/promises'
import type { BucketRecord } from '@forebay/model/bucket'
import { encodeName } from '../store/index-db.ts'
import { type SweptEntry, sweepPage } from '../store/scan.ts'
import type { StoreContext } from '../store/store-context.ts'
import { expiryOf, rulesOf } from './bucket-rules.ts'
import { evictEntry } from './evict-entry.ts'

/** Entries looked at between two turns of the event loop. */
const PAGE_MAX = 500

/** How often it is looked whether anything is due, ms. */
export const TTL_INTERVAL_MS = 60_000

/** When a bucket has to be looked through again, by the row that says so. */
interface Due {
  readonly row: BucketRecord
  readonly atMs: number
}

/**
 * Gives the room of copies back whose time to live is over. They are not served from the moment on in
 * which it is over; this may come later. A bucket is looked through when something in it is due: the
 * pass before knows the next time, and what came in since lives for the shortest ttl at least.
 */
export class TtlSweeper {
  readonly #context: StoreContext
  readonly #due = new Map<number, Due>()
  #closed = false

  constructor(context: StoreContext) {
    this.#context = context
  }

  close(): void {
    this.#closed = true
  }

  /** Looks through the buckets in which something may be due. @returns objects that left */
  async pass(): Promise<number> {
    let left = 0
    for (const bucketId of this.#context.index.bucketIds()) {
      const row = this.#context.bucketOf(bucketId)
      const { ttlMinMs } = rulesOf(row)
      const due = this.#due.get(bucketId)
      if (row === undefined || ttlMinMs === undefined) this.#due.delete(bucketId)
      else if (due?.row !== row || due.atMs <= this.#context.clock.now()) {
        left += await this.#passBucket(bucketId, { row, ttlMinMs })
      }
      if (this.#closed) break
    }
    return left
  }

  async #passBucket(
    bucketId: number,
    { row, ttlMinMs }: { readonly row: BucketRecord; readonly ttlMinMs: number },
  ): Promise<number> {
    const { index, clock, observer } = this.#context
    await index.settled()
    let nextMs = clock.now() + ttlMinMs
    let objects = 0
    let bytes = 0
    let start: Uint8Array | undefined = encodeName(bucketId, '')
    while (start !== undefined && !this.#closed) {
      const page = sweepPage(index.databases, start, PAGE_MAX)
      for (const entry of page.entries) {
        if (entry.bucketId !== bucketId || this.#closed) break
        const expiryMs = expiryOf(rulesOf(row), entry.key, entry.header.storedMs)
        if (expiryMs === undefined) continue
        if (expiryMs > clock.now()) nextMs = Math.min(nextMs, expiryMs)
        else if (await this.#expire(entry)) {
          objects += 1
          bytes += entry.header.allocatedBytes
          await turn()
        } else nextMs = clock.now()
      }
      start = page.entries.at(-1)?.bucketId === bucketId ? page.next : undefined
      await turn()
    }
    this.#due.set(bucketId, { row, atMs: nextMs })
    if (objects > 0) observer.event('expired', { bucketId, objects, bytes })
    return objects
  }

  #expire(entry: SweptEntry): Promise<boolean> {
    const { bucketOf, clock } = this.#context
    const { bucketId, key } = entry
    const isDue = (): boolean => {
      const expiryMs = expiryOf(rulesOf(bucketOf(bucketId)), key, entry.header.storedMs)
      return expiryMs !== undefined && expiryMs <= clock.now()
    }
    return evictEntry(this.#context, entry, { why: 'stale', isDue })
  }
}

/** Looks again and again until the signal. */
export async function keepTtl(context: StoreContext, signal: AbortSignal): Promise<void> {
  const sweeper = new TtlSweeper(context)
  signal.addEventListener('abort', () => sweeper.close(), { once: true })
  for (;;) {
    try {
      await context.clock.sleep(TTL_INTERVAL_MS, signal)
    } catch {
      // The store closes.
      return
    }
    await sweeper.pass().catch(() => context.observer.event('eviction-short', { why: 'ttl' }))
  }
}
