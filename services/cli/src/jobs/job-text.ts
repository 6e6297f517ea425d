import { describeBytes } from '@forebay/base/bytes'
import { JOB_END_STATES, type JobReport } from '@forebay/client/jobs'
import { printable } from '../output/table.ts'
import { shareText, sizeText, spanText, timeText, valueText } from '../output/values.ts'

const BAR_WIDTH = 24

/** Characters of one argument or result that are shown; `--json` has the whole. */
const VALUE_LENGTH_MAX = 400

/** Items that have ended, however. */
export function settledItems({ counters }: JobReport): number {
  return counters.done + counters.skipped + counters.failed
}

/** How much of what is listed so far is done, 0..1: of a single object by its bytes. */
export function doneShare(job: JobReport): number {
  const { listing, counters } = job
  const { items, bytes } = listing
  if (items === 0) return 0
  const settled = settledItems(job)
  if (items === 1 && settled === 0 && bytes > 0) return Math.min(1, counters.bytes / bytes)
  return Math.min(1, settled / items)
}

/** `prefetch s3://train (K3x9...)`: which job it is, for people. */
export function jobName(job: JobReport): string {
  return printable([job.kind, ...(job.bucket === undefined ? [] : [job.bucket]), job.id].join(' '))
}

/** One line that tells how far a job is: bar, objects, bytes, rate and what is left. */
export function progressText(job: JobReport): string {
  const { listing, counters, rate, remainingSeconds } = job
  const settled = settledItems(job)
  const share = doneShare(job)
  const isTotal = listing.complete
  const parts = [
    ...(isTotal && listing.items > 0 ? [barText(share)] : []),
    isTotal
      ? `${countText(settled)} of ${countText(listing.items)} objects`
      : `${countText(settled)} objects, ${countText(listing.items)} listed so far`,
    describeBytes(counters.bytes),
    ...(rate === undefined
      ? []
      : [`${perSecondText(rate.itemsPerSecond)}/s`, `${describeBytes(rate.bytesPerSecond)}/s`]),
    ...(remainingSeconds === undefined ? [] : [`${spanText(remainingSeconds)} left`]),
    ...(counters.failed === 0 ? [] : [`${countText(counters.failed)} failed`]),
    ...(job.state === 'running' ? [] : [job.state]),
  ]
  return `${jobName(job)}  ${parts.join('  ')}`
}

/** What a job has done, once it ended: `finished: 990 done, 10 skipped, 1.20 GiB in 3m 2s`. */
export function endText(job: JobReport): string {
  const { counters } = job
  const seconds = secondsOf(job)
  const counts = [
    `${countText(counters.done)} done`,
    `${countText(counters.skipped)} skipped`,
    ...(counters.failed === 0 ? [] : [`${countText(counters.failed)} failed`]),
    `${sizeText(counters.bytes)}${seconds === undefined ? '' : ` in ${spanText(seconds)}`}`,
  ]
  const why = job.error === undefined ? '' : `; ${printable(job.error)}`
  return `${jobName(job)}  ${job.state}: ${counts.join(', ')}${why}`
}

/** What to do about a job that did not do all; nothing where nothing can be done. */
export function adviceText(job: JobReport): readonly string[] {
  if (job.state === 'finished' || job.state === 'lost') return []
  const why = job.counters.failed === 0 ? [] : [`why:    forebay job failures ${job.id}`]
  return [...why, `again:  forebay job retry ${job.id} --wait`].map((line) => `  ${line}`)
}

/** A job, fact by fact. */
export function jobPairs(job: JobReport): readonly (readonly [string, string])[] {
  const { listing, counters, rate, remainingSeconds } = job
  const optional = (
    name: string,
    value: string | undefined,
  ): readonly (readonly [string, string])[] => (value === undefined ? [] : [[name, value]])
  const isTotal = listing.complete && listing.items > 0
  return [
    ['id', job.id],
    ['kind', job.kind],
    ['bucket', job.bucket ?? '-'],
    ['state', job.state],
    ...optional('why', job.error),
    ...Object.entries(job.args).map(([name, value]) => [`  ${name}`, shortValue(value)] as const),
    ...optional('description', job.description),
    ...optional('user', job.user),
    ...optional('schedule', job.schedule),
    ['priority', job.priority],
    ...limitPairs(job),
    ['ordered', timeText(job.created)],
    ['begun', timeText(job.started)],
    ['ended', timeText(job.ended)],
    ['attempt', String(job.attempt)],
    ['listed', `${countText(listing.items)}, ${listing.complete ? 'all of it' : 'so far'}`],
    ['done', countText(counters.done)],
    ['skipped', countText(counters.skipped)],
    ['failed', countText(counters.failed)],
    ['bytes', sizeText(counters.bytes)],
    ...(isTotal ? [['progress', shareText(doneShare(job), 1)] as const] : []),
    ...optional(
      'rate',
      rate && `${perSecondText(rate.itemsPerSecond)}/s, ${describeBytes(rate.bytesPerSecond)}/s`,
    ),
    ...optional('left', remainingSeconds === undefined ? undefined : spanText(remainingSeconds)),
    ...resultPairs(job),
  ]
}

/** What a job told at its end, besides its counts; empty for most kinds. */
export function resultPairs({ result }: JobReport): readonly (readonly [string, string])[] {
  return Object.entries(result ?? {}).map(([name, value]) => [name, shortValue(value)] as const)
}

/** The bounds that a job was ordered with, each with what is reached of it. */
function limitPairs(job: JobReport): readonly (readonly [string, string])[] {
  return Object.entries(job.limits).map(([name, value]) => {
    if (typeof value !== 'number') return [`  ${name}`, valueText(value)]
    return limitPair(job, name, value)
  })
}

function limitPair(job: JobReport, name: string, limit: number): readonly [string, string] {
  const { counters, rate } = job
  switch (name) {
    case 'bytesPerSecond': {
      const reached = { now: rate?.bytesPerSecond, average: averageRate(job, counters.bytes) }
      return ['  rate', rateLimitText(describeBytes, limit, reached)]
    }
    case 'itemsPerSecond': {
      const reached = { now: rate?.itemsPerSecond, average: averageRate(job, settledItems(job)) }
      return ['  item rate', rateLimitText(perSecondText, limit, reached)]
    }
    case 'concurrency':
      return ['  concurrency', `${countText(limit)} at once on a node at most`]
    case 'failuresMax':
      return ['  failures', `${countText(counters.failed)} of ${countText(limit)} at most`]
    default:
      return [`  ${name}`, valueText(limit)]
  }
}

/** Of a job that has ended; `undefined` before that, and where it took no time. */
function averageRate({ started, ended }: JobReport, amount: number): number | undefined {
  if (started === undefined || ended === undefined) return undefined
  const seconds = (Date.parse(ended) - Date.parse(started)) / 1000
  return seconds > 0 ? amount / seconds : undefined
}

/** A bound of a rate, with what it is now, or was on average; the bound alone where neither is known. */
function rateLimitText(
  text: (perSecond: number) => string,
  limit: number,
  { now, average }: { readonly now: number | undefined; readonly average: number | undefined },
): string {
  const bound = `${text(limit)}/s at most`
  const perSecond = now ?? average
  if (perSecond === undefined) return bound
  const share = Math.round((perSecond / limit) * 100)
  return `${bound}; ${text(perSecond)}/s ${now === undefined ? 'on average' : 'now'}, ${share} %`
}

/** True when it will not change by itself any more. */
export function hasEnded(job: JobReport): boolean {
  return JOB_END_STATES.has(job.state)
}

/** A whole number in groups of three digits. */
export function countText(count: number): string {
  return count.toLocaleString('en-US', { maximumFractionDigits: 0 })
}

function barText(share: number): string {
  const filled = Math.round(share * BAR_WIDTH)
  const bar = `${'#'.repeat(filled)}${'.'.repeat(BAR_WIDTH - filled)}`
  return `[${bar}] ${Math.floor(share * 100)} %`
}

/** Items a second: whole ones from ten on. */
function perSecondText(perSecond: number): string {
  return perSecond >= 10 || perSecond === 0 ? countText(perSecond) : perSecond.toFixed(1)
}

function secondsOf({ started, ended }: JobReport): number | undefined {
  if (started === undefined || ended === undefined) return undefined
  return (Date.parse(ended) - Date.parse(started)) / 1000
}

function shortValue(value: unknown): string {
  const text = valueText(value)
  return text.length <= VALUE_LENGTH_MAX ? text : `${text.slice(0, VALUE_LENGTH_MAX)} ...`
}
