import type { PolicyKind } from '@forebay/model/bucket-properties'
import { BucketPolicies } from '@forebay/target/space/bucket-policies'
import { admissionMark, type Watermarks } from '@forebay/target/space/space'
import { HitCounter, type HitRatio } from './hit-ratio.ts'
import type { Trace } from './trace.ts'

/** The defaults of a node's settings. */
const WATERMARKS: Watermarks = { low: 0.75, high: 0.9, full: 0.95 }

const MOUNTPATH = 1
const BUCKET = 1

/**
 * Plays a trace against a policy of the target with the calls that the target makes: a miss is asked
 * about before the backend is and when the size is known, eviction runs from the high to the low
 * watermark. The trace's room is what the high mark allows. A read takes a second.
 */
export function runPolicy(trace: Trace, kind: PolicyKind): HitRatio {
  const cache = new SimulatedCache(trace, kind)
  const hits = new HitCounter()
  for (const id of trace.reads) {
    const bytes = cache.read(id)
    hits.hit(bytes > 0 ? 1 : 0, bytes)
  }
  return hits.ratio(trace)
}

class SimulatedCache {
  readonly #sizes: Float64Array
  readonly #keys: readonly string[]
  readonly #policies: BucketPolicies
  readonly #admitBytes: number
  readonly #highBytes: number
  readonly #lowBytes: number
  readonly #cached = new Set<number>()
  #usedBytes = 0
  #second = 1_000_000

  constructor({ sizes, cacheBytes }: Trace, kind: PolicyKind) {
    this.#sizes = sizes
    this.#keys = Array.from(sizes, (_, id) => `train/shard-${String(id).padStart(6, '0')}.tar`)
    this.#policies = new BucketPolicies({ kindOf: () => kind, nowSeconds: () => this.#second })
    const marks = WATERMARKS
    this.#highBytes = cacheBytes
    this.#lowBytes = (cacheBytes * marks.low) / marks.high
    this.#admitBytes = (cacheBytes * admissionMark(marks)) / marks.high
  }

  /** @returns bytes that came from the cache */
  read(id: number): number {
    this.#second += 1
    const size = this.#sizes[id] ?? 0
    const place = this.#placeOf(id)
    if (this.#cached.has(id)) {
      this.#policies.touched(place)
      return size
    }
    this.#policies.missed(place)
    const usual = this.#cached.size === 0 ? 1 : this.#usedBytes / this.#cached.size
    for (const bytes of [usual, size]) {
      const hasRoom = this.#usedBytes + bytes <= this.#admitBytes
      if (!this.#policies.admits(place, { onDisk: hasRoom, inQuota: true })) return 0
    }
    if (this.#usedBytes + size > this.#highBytes) {
      this.#evict(this.#usedBytes + size - this.#lowBytes)
    }
    // Larger than the whole cache, or everything is in use: it is passed through.
    if (this.#usedBytes + size > this.#highBytes) return 0
    this.#policies.stored(place, size)
    this.#cached.add(id)
    this.#usedBytes += size
    return 0
  }

  #evict(bytes: number): void {
    for (let chosen = 0; chosen < bytes; ) {
      const more = this.#policies.choose({ mountpath: MOUNTPATH }, bytes - chosen)
      if (more === 0) break
      chosen += more
    }
    let freed = 0
    for (const id of this.#cached) {
      if (freed >= bytes) break
      if (!this.#policies.isChosen(this.#placeOf(id))) continue
      this.#policies.removed(this.#placeOf(id), true)
      this.#cached.delete(id)
      freed += this.#sizes[id] ?? 0
    }
    this.#usedBytes -= freed
  }

  #placeOf(id: number) {
    return { mountpath: MOUNTPATH, bucketId: BUCKET, key: this.#keys[id] ?? '' }
  }
}
