import type { Failure } from '@forebay/base/failure'

/** Pause before the second try of an item, ms; doubles, up to the longest. */
export const PAUSE_MS = 250
export const PAUSE_MS_MAX = 5000

/** No server makes an item wait for longer before it is tried again, ms, whatever its Retry-After says. */
export const PAUSE_ASKED_MS_MAX = 60_000

/**
 * How long an item waits before it is tried again, ms: half of its own pause and up to as much again by
 * chance, so that items which failed together do not come back together; after what the server asked for.
 *
 * @param tries that failed, from 1
 * @param random 0..1
 */
export function itemPauseMs(tries: number, error: Failure, random: () => number): number {
  const ownMs = Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** (tries - 1)) * (0.5 + random() / 2)
  const askedMs = (error.retryAfterSeconds ?? 0) * 1000
  return Math.min(PAUSE_ASKED_MS_MAX, askedMs) + ownMs
}
