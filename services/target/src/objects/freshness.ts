import type { BucketProperties } from '@forebay/model/bucket-properties'

/** What freshness is judged by. */
export interface Confirmed {
  /** Wall clock of the backend's last confirmation, ms; 0 = never. */
  readonly validatedMs: number
}

/** By what freshness is judged, besides the entry itself. */
export interface Moment {
  readonly nowMs: number
  /** Wall clock since when the node is told of every change in the bucket, ms; for `event` alone. */
  readonly toldSinceMs: number
}

/**
 * Milliseconds for which the object may still be served without asking, 0 when it is stale.
 *
 * A confirmation from the future (the clock was set back) counts for nothing.
 */
export function freshForMs(
  record: Confirmed,
  properties: BucketProperties,
  { nowMs, toldSinceMs }: Moment,
): number {
  if (record.validatedMs === 0) return 0
  const { revalidate } = properties
  switch (revalidate.kind) {
    case 'always':
      return 0
    case 'never':
      return Number.POSITIVE_INFINITY
    case 'after':
      return remainingMs(record, revalidate.ttlMs, nowMs)
    case 'event':
      // Of what happened before, nobody was told.
      if (record.validatedMs <= toldSinceMs) return 0
      return remainingMs(record, revalidate.ttlMs, nowMs)
    default:
      return revalidate satisfies never
  }
}

function remainingMs(record: Confirmed, ttlMs: number, nowMs: number): number {
  const ageMs = nowMs - record.validatedMs
  return ageMs < 0 ? 0 : Math.max(0, ttlMs - ageMs)
}

/**
 * True while a stale object may stand in for a backend that cannot be asked. One that an event or a
 * listing named is known to be old: it never does.
 */
export function mayServeStale(
  record: Confirmed,
  properties: BucketProperties,
  { nowMs, toldSinceMs }: Moment,
): boolean {
  if (record.validatedMs === 0 || properties.staleIfErrorMs === 0) return false
  const { revalidate } = properties
  const toldOf = revalidate.kind === 'event' && record.validatedMs > toldSinceMs
  const ttlMs = revalidate.kind === 'after' || toldOf ? revalidate.ttlMs : 0
  const staleForMs = nowMs - record.validatedMs - ttlMs
  return nowMs >= record.validatedMs && staleForMs < properties.staleIfErrorMs
}

/** Whole seconds since the backend confirmed the version; 0 when unknown. */
export function ageSeconds(record: Confirmed, nowMs: number): number {
  if (record.validatedMs === 0) return 0
  return Math.max(0, Math.floor((nowMs - record.validatedMs) / 1000))
}
