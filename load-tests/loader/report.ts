/** What a run came to: as data, as tables, and against its thresholds. */
import { describeBytes } from '@forebay/base/bytes'
import { formatNumber, formatTable } from '../bench/statistics.ts'
import { describeSizes } from './distributions.ts'
import type { Histogram } from './histogram.ts'
import { OPERATION_KINDS, type OperationKind } from './operation-kind.ts'
import type { LoaderOptions } from './options.ts'
import type { Second } from './recorder.ts'
import type { Epoch, RunResult } from './run.ts'

/** The percentiles of every report. */
export const SHARES = [0.5, 0.9, 0.99, 0.999, 0.9999] as const

export type Times = {
  readonly minUs: number
  readonly meanUs: number
  /** One for each of `SHARES`. */
  readonly quantilesUs: readonly number[]
  readonly maxUs: number
}

export type KindReport = {
  readonly kind: OperationKind
  readonly operations: number
  readonly operationsPerSecond: number
  readonly bytes: number
  readonly bytesPerSecond: number
  readonly errors: Readonly<Record<string, number>>
  /** From when requests were due. */
  readonly latency: Times
  /** From when they were sent. */
  readonly service: Times
  readonly firstByte: Times
}

export type Verdict = { readonly what: string; readonly isMet: boolean }

export type Report = {
  readonly at: string
  readonly setup: Readonly<Record<string, string>>
  readonly seconds: number
  readonly isInterrupted: boolean
  readonly kinds: readonly KindReport[]
  readonly operations: number
  readonly errors: number
  readonly mismatches: number
  readonly mismatchesTold: readonly string[]
  /** CPU of the loader per operation. */
  readonly loaderUsPerOperation: number
  /** How late the loader itself was, in an open loop. */
  readonly lag?: Times | undefined
  readonly epochs: readonly Epoch[]
  readonly timeline: readonly Second[]
  readonly verdicts: readonly Verdict[]
}

export function buildReport(options: LoaderOptions, result: RunResult): Report {
  const { recorder, seconds } = result
  const perSecond = (count: number): number => (seconds > 0 ? count / seconds : 0)
  const kinds = OPERATION_KINDS.flatMap((kind) => {
    const tally = recorder.kinds[kind]
    if (tally.isEmpty) return []
    return {
      kind,
      operations: tally.count,
      operationsPerSecond: perSecond(tally.count),
      bytes: tally.bytes,
      bytesPerSecond: perSecond(tally.bytes),
      errors: Object.fromEntries(tally.errors),
      latency: timesOf(tally.latency),
      service: timesOf(tally.service),
      firstByte: timesOf(tally.firstByte),
    }
  })
  const total = recorder.operations + recorder.errors
  return {
    at: new Date().toISOString(),
    setup: setupOf(options),
    seconds,
    isInterrupted: result.isInterrupted,
    kinds,
    operations: recorder.operations,
    errors: recorder.errors,
    mismatches: recorder.mismatchCount,
    mismatchesTold: recorder.mismatches,
    loaderUsPerOperation: total > 0 ? (result.cpuSeconds / total) * 1e6 : 0,
    lag: recorder.lag.count > 0 ? timesOf(recorder.lag) : undefined,
    epochs: result.epochs,
    timeline: recorder.seconds,
    verdicts: judge(options, result),
  }
}

/** 0; 1 a threshold was missed or nothing was measured; 3 an answer had wrong bytes. */
export function exitCodeOf({ operations, mismatches, verdicts }: Report): number {
  if (mismatches > 0) return 3
  return operations === 0 || verdicts.some(({ isMet }) => !isMet) ? 1 : 0
}

function timesOf(histogram: Histogram): Times {
  return {
    minUs: histogram.minUs,
    meanUs: histogram.meanUs,
    quantilesUs: SHARES.map((share) => histogram.quantileUs(share)),
    maxUs: histogram.maxUs,
  }
}

function setupOf(options: LoaderOptions): Readonly<Record<string, string>> {
  const { percent, epochs, ratePerSecond } = options
  const others = Object.entries(percent).filter(([, value]) => value > 0)
  const reads = 100 - others.reduce((sum, [, value]) => sum + value, 0)
  const mix = [...(reads > 0 ? [['get', reads] as const] : []), ...others]
  return {
    servers: options.endpoints.map(({ host }) => host).join(', '),
    api: options.api === 's3' ? 'S3' : 'AIStore',
    bucket: options.bucket,
    objects: options.existing
      ? 'as listed'
      : `${options.objects} of ${describeSizes(options.sizes)}`,
    mix: mix.map(([kind, share]) => `${kind} ${share} %`).join(', '),
    load:
      epochs > 0
        ? `${epochs} epochs by ${options.workers} workers`
        : ratePerSecond === undefined
          ? `${options.workers} workers`
          : `${ratePerSecond} a second, ${options.arrival} arrivals`,
    verified: options.verify ? 'every byte' : 'lengths',
    seed: String(options.seed),
  }
}

function judge(
  { thresholds }: LoaderOptions,
  { recorder, seconds }: RunResult,
): readonly Verdict[] {
  const verdicts: Verdict[] = []
  for (const { kind, share, name, mostMs } of thresholds.latencies) {
    for (const each of kind === undefined ? OPERATION_KINDS : [kind]) {
      const { latency, isEmpty } = recorder.kinds[each]
      if (isEmpty && kind === undefined) continue
      const ms = latency.quantileUs(share) / 1000
      const what = `${each} ${name} ${formatNumber(ms)} ms <= ${formatNumber(mostMs)} ms`
      verdicts.push({ what, isMet: latency.count > 0 && ms <= mostMs })
    }
  }
  const total = recorder.operations + recorder.errors
  if (thresholds.errors !== undefined) {
    const { errors: limit } = thresholds
    const most = 'count' in limit ? limit.count : limit.share * total
    verdicts.push({
      what: `errors ${recorder.errors} <= ${formatNumber(most)}`,
      isMet: recorder.errors <= most,
    })
  }
  if (thresholds.opsPerSecondMin !== undefined) {
    const rate = seconds > 0 ? recorder.operations / seconds : 0
    verdicts.push({
      what: `rate ${formatNumber(rate)} >= ${formatNumber(thresholds.opsPerSecondMin)} a second`,
      isMet: rate >= thresholds.opsPerSecondMin,
    })
  }
  return verdicts
}

export function formatReport(report: Report): string {
  const lines = Object.entries(report.setup).map(([name, value]) => `${name.padEnd(9)} ${value}`)
  const ended = report.isInterrupted ? ' (interrupted)' : ''
  lines.push(
    `${'measured'.padEnd(9)} ${report.seconds.toFixed(1)} s${ended}`,
    '',
    formatKinds(report),
  )
  if (report.epochs.length > 0) lines.push('', formatEpochs(report.epochs))
  const failures = report.kinds.flatMap(({ kind, errors }) =>
    Object.entries(errors).map(([what, count]) => `${kind} ${what}: ${count}`),
  )
  lines.push('', `errors ${report.errors}${failures.length > 0 ? `: ${failures.join(', ')}` : ''}`)
  for (const text of report.mismatchesTold) lines.push(`WRONG: ${text}`)
  if (report.mismatches > report.mismatchesTold.length) {
    lines.push(`WRONG: ${report.mismatches} answers in all`)
  }
  lines.push(`the loader took ${formatNumber(report.loaderUsPerOperation)} us of CPU an operation`)
  if (report.lag !== undefined) {
    const [, , p99 = 0] = report.lag.quantilesUs
    lines.push(`it was late by ${formatNumber(p99 / 1000)} ms or less in 99 of 100`)
  }
  for (const { what, isMet } of report.verdicts) lines.push(`${isMet ? 'met' : 'MISSED'}  ${what}`)
  return lines.join('\n')
}

/** `p50`, `p99.99`. */
export function shareName(share: number): string {
  return `p${Number((share * 100).toFixed(4))}`
}

function formatKinds({ kinds }: Report): string {
  const head = ['ms', '', 'count', 'a second', 'bytes/s', ...SHARES.map(shareName), 'max']
  const rows = kinds.flatMap((row) => {
    const times = (times: Times): string[] =>
      [...times.quantilesUs, times.maxUs].map((us) => formatNumber(us / 1000))
    const moved = row.bytes > 0 ? describeBytes(row.bytesPerSecond) : ''
    const rate = formatNumber(row.operationsPerSecond)
    return [
      [row.kind, 'from due', String(row.operations), rate, moved, ...times(row.latency)],
      ['', 'from sent', '', '', '', ...times(row.service)],
      ['', 'first byte', '', '', '', ...times(row.firstByte)],
    ]
  })
  return formatTable([head, ...rows])
}

function formatEpochs(epochs: readonly Epoch[]): string {
  const rows = epochs.map((row) => [
    String(row.epoch),
    `${row.seconds.toFixed(1)} s`,
    String(row.operations),
    `${describeBytes(row.bytes / row.seconds)}/s`,
    formatNumber(row.p50Us / 1000),
    formatNumber(row.p99Us / 1000),
  ])
  return formatTable([['epoch', 'took', 'objects', 'rate', 'p50 ms', 'p99 ms'], ...rows])
}
