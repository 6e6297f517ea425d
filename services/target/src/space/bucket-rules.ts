import type { BucketRecord } from '@forebay/model/bucket'
import {
  type BucketProperties,
  type PinnedPrefix,
  type PolicyKind,
  type PrefixTtl,
  QUOTA_NONE,
  resolveProperties,
} from '@forebay/model/bucket-properties'
import { PrefixRules } from '@forebay/model/prefix-rules'

/** What holds for the space of one bucket, in the form in which it is asked all the time. */
export interface BucketRules
  extends Pick<BucketProperties, 'admit' | 'admitMinBytes' | 'admitMaxBytes' | 'quotaBytes'> {
  /** How its objects are chosen for eviction; undefined: they stay. */
  readonly policy: PolicyKind | undefined
  /** Above this its own objects go, until `lowBytes`. */
  readonly highBytes: number
  readonly lowBytes: number
  readonly pins: PrefixRules<PinnedPrefix>
  readonly ttls: PrefixRules<PrefixTtl>
  /** The shortest time to live; undefined: copies stay. */
  readonly ttlMinMs: number | undefined
}

/** By row of the bucket table: a changed property is a new row. */
const known = new WeakMap<BucketRecord, BucketRules>()

/** Of a bucket that is not there (any more): nothing is held back, nothing is evicted. */
const NO_RULES: BucketRules = Object.freeze({
  policy: undefined,
  quotaBytes: QUOTA_NONE,
  highBytes: QUOTA_NONE,
  lowBytes: QUOTA_NONE,
  pins: new PrefixRules<PinnedPrefix>([]),
  ttls: new PrefixRules<PrefixTtl>([]),
  ttlMinMs: undefined,
  admit: 'always',
  admitMinBytes: 0,
  admitMaxBytes: Number.POSITIVE_INFINITY,
})

/** The rules of a bucket, made once for each row of the bucket table. */
export function rulesOf(bucket: BucketRecord | undefined): BucketRules {
  if (bucket === undefined) return NO_RULES
  let rules = known.get(bucket)
  if (rules === undefined) {
    rules = makeRules(bucket)
    known.set(bucket, rules)
  }
  return rules
}

function makeRules({ backend, properties }: BucketRecord): BucketRules {
  const resolved = resolveProperties(backend, properties)
  const { evictable, policy, quotaBytes, quotaMarks, pins, ttls } = resolved
  const { admit, admitMinBytes, admitMaxBytes } = resolved
  return Object.freeze<BucketRules>({
    policy: evictable ? policy : undefined,
    quotaBytes,
    highBytes: shareOf(quotaBytes, quotaMarks.highPercent),
    lowBytes: shareOf(quotaBytes, quotaMarks.lowPercent),
    pins: new PrefixRules(pins),
    ttls: new PrefixRules(ttls),
    ttlMinMs: ttls.length === 0 ? undefined : Math.min(...ttls.map(({ ttlMs }) => ttlMs)),
    admit,
    admitMinBytes,
    admitMaxBytes,
  })
}

function shareOf(quotaBytes: number, percent: number): number {
  return quotaBytes === QUOTA_NONE ? QUOTA_NONE : (quotaBytes / 100) * percent
}

/** The prefix that keeps the key from eviction now. */
export function pinOf(rules: BucketRules, key: string, nowMs: number): string | undefined {
  if (rules.pins.isEmpty) return undefined
  return rules.pins.find(key, ({ untilMs }) => untilMs === undefined || nowMs < untilMs)?.prefix
}

/** When a copy that was stored then has to leave, wall clock, ms; undefined: never. */
export function expiryOf(rules: BucketRules, key: string, storedMs: number): number | undefined {
  const rule = rules.ttls.isEmpty ? undefined : rules.ttls.find(key)
  return rule === undefined ? undefined : storedMs + rule.ttlMs
}
