import { boolean, byteRate, count, duration } from './setting.ts'

const DAY_MS = 86_400_000

/** Settings of the pass that reads everything again and again: part of `SCHEMA`. */
export const SCRUB_SCHEMA = {
  interval: duration({
    default: 14 * DAY_MS,
    doc: 'Time from the start of one pass over all files to that of the next; 0 = only by order.',
  }),
  rate: byteRate({
    default: 32 * 1024 ** 2,
    doc: 'Bytes a second that a pass reads at most; 0 = as fast as disks and users allow.',
  }),
  filesPerSecond: count({
    min: 0,
    max: 1_000_000,
    default: 200,
    doc: 'Files a second that a pass looks at most; 0 = no limit.',
  }),
  fetchAgain: boolean({
    default: true,
    doc: 'Fetch a copy that was found damaged again at once; else its next reader does.',
  }),
} as const
