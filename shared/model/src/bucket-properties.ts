import { OBJECT_BYTES_MAX } from '@forebay/base/limits'
import type { BackendBinding } from './bucket.ts'

/** How long a cached object counts as current. */
export type Revalidate =
  | { readonly kind: 'after'; readonly ttlMs: number }
  | { readonly kind: 'always' }
  | { readonly kind: 'never' }
  /** Until the backend's events name its key, but no longer than `ttlMs`: an event may be lost. */
  | { readonly kind: 'event'; readonly ttlMs: number }

/** What a bucket does with what it reads and writes. */
export type CacheMode = 'read-write' | 'read-only' | 'bypass'

/** How a bucket chooses what leaves the cache when room is needed. */
export const POLICY_KINDS = ['lru', 's3-fifo', 'sieve', 'epoch'] as const
export type PolicyKind = (typeof POLICY_KINDS)[number]

/** Whom a listing of a bucket with a backend asks. */
export const LIST_SOURCES = ['store', 'inventory'] as const
export type ListSource = (typeof LIST_SOURCES)[number]

/** Whether an object is kept from its first read on, or from the second. */
export const ADMIT_KINDS = ['always', 'second-hit'] as const
export type AdmitKind = (typeof ADMIT_KINDS)[number]

/** Keys that eviction leaves alone. */
export interface PinnedPrefix {
  readonly prefix: string
  /** Wall clock, ms; absent: for ever. */
  readonly untilMs?: number | undefined
}

/** How long copies of these keys are kept. */
export interface PrefixTtl {
  readonly prefix: string
  readonly ttlMs: number
}

/** Shares of a quota, percent, 0..100, low < high. */
export interface QuotaMarks {
  readonly lowPercent: number
  readonly highPercent: number
}

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
  /** Read and compare what is about to be sent from a file, before its first byte leaves. */
  readonly verifyWarm: boolean
  /** `inventory`: clients' lists come from the bucket's inventory while there is one that is not too old. */
  readonly listFrom: ListSource
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
  /** Bytes on disk that the bucket may take on a node; `QUOTA_NONE` for no limit of its own. */
  readonly quotaBytes: number
  /** Above the high share of the quota the bucket's own objects go, until it is at the low one. */
  readonly quotaMarks: QuotaMarks
  /** What is never evicted; each prefix once. */
  readonly pins: readonly PinnedPrefix[]
  /** After how long copies leave; each prefix once, the longest decides. Empty without a backend. */
  readonly ttls: readonly PrefixTtl[]
  /** Whether the first read of an object keeps it. */
  readonly admit: AdmitKind
  /** What is smaller or larger is passed through and not kept; bytes. */
  readonly admitMinBytes: number
  readonly admitMaxBytes: number
}

export const QUOTA_NONE = Number.POSITIVE_INFINITY

/** A twentieth of the quota goes in one round: a sweep has to pay for itself. */
export const QUOTA_MARKS_DEFAULT: QuotaMarks = Object.freeze({ lowPercent: 90, highPercent: 95 })

const NOTHING = Object.freeze([])

/** 5 minutes: the middle of what cache users ask for, and a bound on staleness people can reason about. */
export const REVALIDATE_TTL_DEFAULT_MS = 5 * 60_000

/** A day: what a lost event may cost, for one question a day and object. */
export const EVENT_TTL_DEFAULT_MS = 24 * 60 * 60_000

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
    verifyWarm: false,
    listFrom: 'store',
    blockBytes: 4 * 1024 ** 2,
    sparseThresholdBytes: 8 * 1024 ** 2,
    parallelThresholdBytes: 32 * 1024 ** 2,
    fillWholePercent: FILL_WHOLE_NEVER,
    policy: 'lru',
    quotaBytes: QUOTA_NONE,
    quotaMarks: QUOTA_MARKS_DEFAULT,
    pins: NOTHING,
    admit: 'always',
    admitMinBytes: 0,
    admitMaxBytes: OBJECT_BYTES_MAX,
    ...overrides,
    evictable: backend !== undefined && (overrides.evictable ?? true),
    ttls: backend === undefined ? NOTHING : (overrides.ttls ?? NOTHING),
  })
}
