import type { BackendBinding } from './bucket.ts'

/** How long a cached object counts as current. */
export type Revalidate =
  | { readonly kind: 'after'; readonly ttlMs: number }
  | { readonly kind: 'always' }
  | { readonly kind: 'never' }

/** What a bucket does with what it reads and writes. */
export type CacheMode = 'read-write' | 'read-only' | 'bypass'

/** How a bucket chooses what leaves the cache when room is needed. */
export const POLICY_KINDS = ['lru', 's3-fifo', 'sieve', 'epoch'] as const
export type PolicyKind = (typeof POLICY_KINDS)[number]

/** Every property of a bucket that is ours, resolved: no value is absent. */
export interface BucketProperties {
  /** Freshness of objects of a bucket with a backend; native buckets are always current. */
  readonly revalidate: Revalidate
  /** How long, after it went stale, an object may be served while the backend cannot be asked; ms, 0 = never. */
  readonly staleIfErrorMs: number
  /** `read-write` stores what it reads; `bypass` passes everything through; `read-only` refuses writes. */
  readonly cache: CacheMode
  /** Sync data, journal and directory before a write is acknowledged. */
  readonly syncWrites: boolean
  /** Unit of sparse reads, bytes, a power of two, 64 KiB..64 MiB. */
  readonly blockBytes: number
  /** Above this size a range of an absent object is read as blocks, not as the whole object; bytes. */
  readonly sparseThresholdBytes: number
  /** From this size on an object is fetched by several connections where that is faster; bytes. */
  readonly parallelThresholdBytes: number
  /** Share of a large object's bytes after which the rest is fetched too, percent; 100 = never. */
  readonly fillWholePercent: number
  /** Which of its objects go first when room is needed. */
  readonly policy: PolicyKind
  /** Eviction may take this bucket's objects. Native buckets are never evicted: there is no other copy. */
  readonly evictable: boolean
}

/** 5 minutes: the middle of what cache users ask for, and a bound on staleness people can reason about. */
export const REVALIDATE_TTL_DEFAULT_MS = 5 * 60_000

/** Who reads half of an object may well want no more of it, and what nobody wants costs money. */
export const FILL_WHOLE_NEVER = 100

/** The defaults of a bucket of this kind, with `overrides` applied. */
export function resolveProperties(
  backend: BackendBinding | undefined,
  overrides: Partial<BucketProperties>,
): BucketProperties {
  return Object.freeze<BucketProperties>({
    revalidate: { kind: 'after', ttlMs: REVALIDATE_TTL_DEFAULT_MS },
    staleIfErrorMs: 0,
    cache: 'read-write',
    syncWrites: backend === undefined,
    blockBytes: 4 * 1024 ** 2,
    sparseThresholdBytes: 8 * 1024 ** 2,
    parallelThresholdBytes: 32 * 1024 ** 2,
    fillWholePercent: FILL_WHOLE_NEVER,
    policy: 'lru',
    ...overrides,
    evictable: backend !== undefined && (overrides.evictable ?? true),
  })
}
