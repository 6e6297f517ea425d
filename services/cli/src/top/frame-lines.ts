import { describeBytes } from '@forebay/base/bytes'
import { type Column, formatPairs, formatTable } from '../output/table.ts'
import { shareText, sizeText, spanText } from '../output/values.ts'
import type { TopFrame } from './frame.ts'

/** Rows of each table; the screen of a terminal has few lines. */
const ROWS_MAX = 5

/** Frames that the little charts look back on. */
export const HISTORY_MAX = 40

const BLOCKS = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'] as const

/** Numbers as a row of blocks, the highest one full; nothing where a number is unknown. */
export function sparkline(values: readonly (number | undefined)[], top?: number): string {
  const highest = top ?? Math.max(0, ...values.map((value) => value ?? 0))
  return values
    .map((value) => {
      if (value === undefined) return ' '
      const level = highest === 0 ? 0 : Math.round((value / highest) * (BLOCKS.length - 1))
      return BLOCKS[Math.min(level, BLOCKS.length - 1)] ?? ' '
    })
    .join('')
}

/** A time as people read it: `0.4 ms`, `12 ms`, `3.1 s`. */
export function timeSpanText(seconds: number | undefined): string {
  if (seconds === undefined || Number.isNaN(seconds)) return '-'
  const ms = seconds * 1000
  if (ms < 10) return `${ms.toFixed(1)} ms`
  return ms < 1000 ? `${Math.round(ms)} ms` : `${seconds.toFixed(1)} s`
}

/** The lines of one frame, with those before it for the charts. */
export function frameLines(
  frame: TopFrame,
  endpoint: string,
  history: readonly TopFrame[],
): readonly string[] {
  const { version, uptimeSeconds, spanSeconds } = frame
  const head = `forebay ${version} at ${endpoint}, up ${spanText(uptimeSeconds)}`
  return [
    `${head}; the last ${spanSeconds.toFixed(1)} s`,
    '',
    ...formatPairs(summaryOf(frame, history)),
    ...tablesOf(frame),
  ]
}

function summaryOf(
  frame: TopFrame,
  history: readonly TopFrame[],
): readonly (readonly [string, string])[] {
  const chart = (pick: (frame: TopFrame) => number | undefined, top?: number): string =>
    history.length > 1 ? `  ${sparkline(history.slice(-HISTORY_MAX).map(pick), top)}` : ''
  const { objectHitRatio, byteHitRatio, loopDelayP99Seconds, loopDelayMaxSeconds } = frame
  const hits = `${percent(objectHitRatio)} of objects, ${percent(byteHitRatio)} of bytes`
  const now = `${countRate(frame.savedRequestsPerSecond)} requests, ${rateText(frame.savedBytesPerSecond)}`
  const cost = frame.savedCost === undefined ? '' : `, worth ${frame.savedCost.toFixed(2)}`
  const ever = `${frame.savedRequests} requests, ${describeBytes(frame.savedBytes)}${cost}`
  const loop = `loop ${timeSpanText(loopDelayP99Seconds)} p99, ${timeSpanText(loopDelayMaxSeconds)} max`
  const held = `${frame.connectionCount} connections; ${frame.openFileCount} files`
  return [
    ['out', `${rateText(frame.outBytesPerSecond)}${chart((f) => f.outBytesPerSecond)}`],
    ['in', `${rateText(frame.inBytesPerSecond)}${chart((f) => f.inBytesPerSecond)}`],
    ['requests', requestsText(frame)],
    ['hit ratio', `${hits}${chart((f) => f.byteHitRatio, 1)}`],
    ['saved', `${now}; since the start ${ever}`],
    ['node', `${loop}; ${describeBytes(frame.memoryBytes)} of memory; ${held}`],
    ['holds', `${frame.objectCount} objects, ${frame.unsettledCount} unsettled keys`],
  ]
}

function tablesOf(frame: TopFrame): readonly string[] {
  return [
    ...table(
      [{ head: 'OPERATION' }, ...numbers('PER SECOND', 'FAILED', 'P50', 'P99')],
      frame.operations.map((row) => [
        row.operation,
        countRate(row.perSecond),
        countRate(row.failuresPerSecond),
        timeSpanText(row.p50Seconds),
        timeSpanText(row.p99Seconds),
      ]),
    ),
    ...table(
      [
        { head: 'ORIGIN' },
        { head: 'STATE' },
        ...numbers('PER SECOND', 'FAILED', 'IN', 'OUT', 'P50', 'P99'),
      ],
      frame.origins.map((row) => [
        row.origin,
        row.state,
        countRate(row.requestsPerSecond),
        countRate(row.failuresPerSecond),
        rateText(row.receivedBytesPerSecond),
        rateText(row.sentBytesPerSecond),
        timeSpanText(row.p50Seconds),
        timeSpanText(row.p99Seconds),
      ]),
    ),
    ...table(
      [{ head: 'BUCKET' }, ...numbers('READS', 'OUT', 'HIT OBJECTS', 'HIT BYTES')],
      frame.buckets.map((row) => [
        row.bucket,
        countRate(row.readsPerSecond),
        rateText(row.bytesPerSecond),
        percent(row.objectHitRatio),
        percent(row.byteHitRatio),
      ]),
    ),
    ...table(
      [{ head: 'MOUNTPATH' }, ...numbers('USED', 'CAPACITY', 'SHARE')],
      frame.mountpaths.map(({ path, usedBytes, capacityBytes }) => [
        path,
        sizeText(usedBytes),
        sizeText(capacityBytes),
        shareText(usedBytes, capacityBytes),
      ]),
    ),
  ]
}

function numbers(...heads: readonly string[]): readonly Column[] {
  return heads.map((head) => ({ head, right: true }))
}

/** A table after an empty line; nothing when it has no rows. */
function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  if (rows.length === 0) return []
  const more = rows.length - ROWS_MAX
  return [
    '',
    ...formatTable(columns, rows.slice(0, ROWS_MAX)),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]
}

function requestsText(frame: TopFrame): string {
  const { p50Seconds, p99Seconds } = frame
  const times = `p50 ${timeSpanText(p50Seconds)}, p99 ${timeSpanText(p99Seconds)}`
  return `${countRate(frame.requestsPerSecond)}, ${countRate(frame.failuresPerSecond)} failed; ${times}`
}

function rateText(bytesPerSecond: number): string {
  return `${describeBytes(Math.round(bytesPerSecond))}/s`
}

function countRate(perSecond: number): string {
  return `${perSecond >= 100 || perSecond === 0 ? Math.round(perSecond) : perSecond.toFixed(1)}/s`
}

function percent(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${(ratio * 100).toFixed(1)} %`
}
