import type { BucketProperties } from '@forebay/model/bucket-properties'

/** What freshness is judged by. */
export interface Confirmed {
  /** Wall clock of the backend's last confirmation, ms; 0 = never. */
  readonly validatedMs: number
}

/**
 * Milliseconds for which the object may still be served without asking, 0 when it is stale.
 *
 * A confirmation from the future (the clock was set back) counts for nothing.
 */
export function freshForMs(record: Confirmed, properties: BucketProperties, nowMs: number): number {
  if (record.validatedMs === 0) return 0
  const { revalidate } = properties
  switch (revalidate.kind) {
    case 'always':
      return 0
    case 'never':
      return Number.POSITIVE_INFINITY
    case 'after': {
      const ageMs = nowMs - record.validatedMs
      return ageMs < 0 ? 0 : Math.max(0, revalidate.ttlMs - ageMs)
    }
    default:
      return revalidate satisfies never
  }
}

/** True while a stale object may stand in for a backend that cannot be asked. */
export function mayServeStale(
  record: Confirmed,
  properties: BucketProperties,
  nowMs: number,
): boolean {
  if (record.validatedMs === 0 || properties.staleIfErrorMs === 0) return false
  const ttlMs = properties.revalidate.kind === 'after' ? properties.revalidate.ttlMs : 0
  const staleForMs = nowMs - record.validatedMs - ttlMs
  return nowMs >= record.validatedMs && staleForMs < properties.staleIfErrorMs
}

/** Whole seconds since the backend confirmed the version; 0 when unknown. */
export function ageSeconds(record: Confirmed, nowMs: number): number {
  if (record.validatedMs === 0) return 0
  return Math.max(0, Math.floor((nowMs - record.validatedMs) / 1000))
}
