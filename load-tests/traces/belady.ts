import { HitCounter, type HitRatio } from './hit-ratio.ts'
import type { Trace } from './trace.ts'

/**
 * The most bytes that any cache of the trace's room can answer: Belady's rule, by bytes. Whatever is
 * read next the latest leaves first, in part where that is enough, and what was just read may be the
 * one that leaves. With sizes that vary the best choice of whole objects is intractable; parts make
 * the rule exact for bytes, and a bound that no policy with whole objects can pass. Objects count as
 * hits where they are whole.
 */
export function runBelady(trace: Trace): HitRatio {
  const { reads, sizes, cacheBytes } = trace
  const nextReads = findNextReads(trace)
  const held = new Float64Array(sizes.length)
  const nextOf = new Float64Array(sizes.length)
  const queue = new LatestFirst()
  const hits = new HitCounter()
  let used = 0
  reads.forEach((id, at) => {
    const size = sizes[id] ?? 0
    const before = held[id] ?? 0
    hits.hit(before === size ? 1 : 0, before)
    const next = nextReads[at] ?? Number.POSITIVE_INFINITY
    nextOf[id] = next
    if (next === Number.POSITIVE_INFINITY) {
      used -= before
      held[id] = 0
      return
    }
    held[id] = size
    used += size - before
    queue.push(next, id)
    while (used > cacheBytes) {
      const latest = queue.peek()
      if (latest === undefined) break
      const kept = nextOf[latest.id] === latest.next ? (held[latest.id] ?? 0) : 0
      const taken = Math.min(kept, used - cacheBytes)
      held[latest.id] = (held[latest.id] ?? 0) - taken
      used -= taken
      if (taken === kept) queue.pop()
    }
  })
  return hits.ratio(trace)
}

/** When the object of each read is read again. */
function findNextReads({ reads, sizes }: Trace): Float64Array {
  const next = new Float64Array(reads.length)
  const seen = new Float64Array(sizes.length).fill(Number.POSITIVE_INFINITY)
  for (let at = reads.length - 1; at >= 0; at--) {
    const id = reads[at] ?? 0
    next[at] = seen[id] ?? Number.POSITIVE_INFINITY
    seen[id] = at
  }
  return next
}

/** A heap of objects by their next read, the latest on top; out-of-date entries are the caller's to drop. */
class LatestFirst {
  readonly #next: number[] = []
  readonly #ids: number[] = []

  push(next: number, id: number): void {
    let at = this.#next.length
    this.#next.push(next)
    this.#ids.push(id)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if ((this.#next[parent] ?? 0) >= next) break
      this.#swap(at, parent)
      at = parent
    }
  }

  peek(): { readonly next: number; readonly id: number } | undefined {
    const [next] = this.#next
    const [id] = this.#ids
    return next === undefined || id === undefined ? undefined : { next, id }
  }

  pop(): void {
    const last = this.#next.length - 1
    this.#swap(0, last)
    this.#next.pop()
    this.#ids.pop()
    for (let at = 0; ; ) {
      const left = 2 * at + 1
      if (left >= last) return
      const right = left + 1
      const later =
        right < last && (this.#next[right] ?? 0) > (this.#next[left] ?? 0) ? right : left
      if ((this.#next[later] ?? 0) <= (this.#next[at] ?? 0)) return
      this.#swap(at, later)
      at = later
    }
  }

  #swap(one: number, other: number): void {
    const next = this.#next[one] ?? 0
    const id = this.#ids[one] ?? 0
    this.#next[one] = this.#next[other] ?? 0
    this.#ids[one] = this.#ids[other] ?? 0
    this.#next[other] = next
    this.#ids[other] = id
  }
}
