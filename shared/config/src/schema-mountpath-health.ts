import { count, duration } from './setting.ts'

const MINUTE_MS = 60_000
const DAY_MS = 24 * 60 * MINUTE_MS

/** When a mountpath counts as failed, and when one that failed comes back. */
export const mountpathHealth = {
  errorLimit: count({
    min: 1,
    max: 10_000,
    default: 10,
    doc: 'Errors of a disk within `mountpathHealth.errorWindow` after which it is probed: written to, synced, read back. A mountpath whose probe fails twice goes out of service; the node goes on with the others.',
  }),
  errorWindow: duration({
    min: 1000,
    max: DAY_MS,
    default: MINUTE_MS,
    doc: 'Span in which errors of a disk are counted together.',
  }),
  checkInterval: duration({
    min: 100,
    max: 60 * MINUTE_MS,
    default: 10_000,
    doc: 'How often it is looked whether every mountpath is there, and whether one that failed can come back.',
  }),
  probeTimeout: duration({
    min: 10,
    max: 10 * MINUTE_MS,
    default: 10_000,
    doc: 'Longest time of one step of a probe; a disk that takes longer hangs.',
  }),
  returnAfter: duration({
    min: 100,
    max: DAY_MS,
    default: MINUTE_MS,
    doc: 'A mountpath that failed is probed again after this, and comes back when the probe passes. Twice as long after each return within a day.',
  }),
  returnsMax: count({
    min: 0,
    max: 100,
    default: 3,
    doc: 'So often a day a mountpath that failed comes back by itself; then only by `forebay mountpath enable`.',
  }),
}
