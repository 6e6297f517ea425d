/** The comparison as a table and as JSON. */
import { mkdir, writeFile } from 'node:fs/promises'
import { cpus, release } from 'node:os'
import { join } from 'node:path'
import type { Figure } from './cold.ts'
import type { CaseResult } from './compare.ts'
import type { Measurement } from './load.ts'
import { formatNumber, formatTable, median, minimum } from './statistics.ts'

const MIB = 1024 ** 2
const GIB = 1024 ** 3

/** From this size on a byte counts, below it a request. */
const PER_BYTE_FROM = MIB

/** Most that Forebay may cost: its minimum over the other's. */
const CPU_BARS: readonly { readonly when: RegExp; readonly nginx: number }[] = [
  { when: /^GET 4 KiB/, nginx: 2.2 },
  { when: /^GET 64 KiB/, nginx: 1.4 },
  { when: /^GET \d+ [MG]iB/, nginx: 1.25 },
]
const VERSITYGW_BAR = 1
const P99_BAR = { case: 'GET 16 MiB', nginx: 1.5 }

/** One contender in one case, summed up over its runs. */
export type Summary = {
  readonly case: string
  readonly contender: string
  readonly connections: number
  readonly unit: 'us/op' | 'CPU-s/GiB'
  readonly cpuMin: number
  readonly cpuMedian: number
  readonly cpuUsPerOpMin: number
  readonly cpuSecondsPerGibMin: number | undefined
  readonly opsPerSecondMedian: number
  readonly opsPerSecondMax: number
  readonly mibPerSecondMedian: number
  readonly p50MsMedian: number
  readonly p99MsMin: number
  readonly p99MsMedian: number
  readonly foreignCoresMedian: number
  readonly foreignCoresMax: number
  readonly runs: number
}

/** A figure of Forebay against another's, with the bar that it must not exceed. */
export type Verdict = {
  readonly case: string
  readonly what: string
  readonly forebay: number
  readonly other: number
  readonly ratio: number
  readonly bar: number | undefined
}

export function summarize(result: CaseResult): Summary {
  const moved = (run: Measurement): number =>
    result.kind === 'put' ? run.operations * result.sizeBytes : run.bytes
  const perOp = result.runs.map((run) => (run.serverCpuSeconds / run.operations) * 1e6)
  const perGib = result.runs.map((run) => (run.serverCpuSeconds / moved(run)) * GIB)
  const countsBytes = result.sizeBytes >= PER_BYTE_FROM
  const cpu = countsBytes ? perGib : perOp
  const rates = result.runs.map((run) => run.operations / run.seconds)
  const foreign = result.runs.map((run) => run.foreignCores)
  const p99 = result.runs.map((run) => run.p99Us / 1000)
  return {
    case: result.case,
    contender: result.contender,
    connections: result.connections,
    unit: countsBytes ? 'CPU-s/GiB' : 'us/op',
    cpuMin: minimum(cpu),
    cpuMedian: median(cpu),
    cpuUsPerOpMin: minimum(perOp),
    cpuSecondsPerGibMin: result.runs.every((run) => moved(run) > 0) ? minimum(perGib) : undefined,
    opsPerSecondMedian: median(rates),
    opsPerSecondMax: Math.max(...rates),
    mibPerSecondMedian: median(result.runs.map((run) => moved(run) / run.seconds / MIB)),
    p50MsMedian: median(result.runs.map((run) => run.p50Us / 1000)),
    p99MsMin: minimum(p99),
    p99MsMedian: median(p99),
    foreignCoresMedian: median(foreign),
    foreignCoresMax: Math.max(...foreign),
    runs: result.runs.length,
  }
}

/** Forebay against every other contender of its case. */
export function judge(summaries: readonly Summary[]): readonly Verdict[] {
  const verdicts: Verdict[] = []
  for (const forebay of summaries.filter(({ contender }) => contender === 'forebay')) {
    for (const other of summaries) {
      if (other.case !== forebay.case || other.contender.startsWith('forebay')) continue
      verdicts.push({
        case: forebay.case,
        what: `CPU (${forebay.unit}) against ${other.contender}`,
        forebay: forebay.cpuMin,
        other: other.cpuMin,
        ratio: forebay.cpuMin / other.cpuMin,
        bar: barOf(forebay.case, other.contender),
      })
      if (forebay.case !== P99_BAR.case || other.contender !== 'nginx') continue
      verdicts.push({
        case: forebay.case,
        what: `p99 (ms) against ${other.contender}`,
        forebay: forebay.p99MsMin,
        other: other.p99MsMin,
        ratio: forebay.p99MsMin / other.p99MsMin,
        bar: P99_BAR.nginx,
      })
    }
  }
  return verdicts
}

function barOf(name: string, contender: string): number | undefined {
  if (contender === 'versitygw') return VERSITYGW_BAR
  return CPU_BARS.find(({ when }) => when.test(name))?.nginx
}

export function formatSummaries(summaries: readonly Summary[]): string {
  const head = ['case', 'server', 'c', 'CPU min', 'median', 'unit', 'ops/s', 'MiB/s']
  const rows = summaries.map((row) => [
    row.case,
    row.contender,
    String(row.connections),
    formatNumber(row.cpuMin),
    formatNumber(row.cpuMedian),
    row.unit,
    String(Math.round(row.opsPerSecondMedian)),
    formatNumber(row.mibPerSecondMedian),
    formatNumber(row.p50MsMedian),
    `${formatNumber(row.p99MsMin)}/${formatNumber(row.p99MsMedian)}`,
    `${formatNumber(row.foreignCoresMedian)}/${formatNumber(row.foreignCoresMax)}`,
  ])
  return formatTable([[...head, 'p50 ms', 'p99 ms min/med', 'foreign cores med/max'], ...rows])
}

export function formatVerdicts(verdicts: readonly Verdict[]): string {
  const rows = verdicts.map((row) => [
    row.case,
    row.what,
    formatNumber(row.forebay),
    formatNumber(row.other),
    row.ratio.toFixed(2),
    row.bar === undefined ? '' : `<= ${row.bar}`,
    row.bar === undefined ? '' : row.ratio <= row.bar ? 'met' : 'MISSED',
  ])
  return formatTable([['case', 'minima compared', 'forebay', 'other', 'ratio', 'bar', ''], ...rows])
}

export function formatFigures(figures: readonly Figure[]): string {
  const rows = figures.map(({ what, value, unit, bar, met }) => [
    what,
    unit,
    formatNumber(value),
    bar ?? '',
    met === undefined ? '' : met ? 'met' : 'MISSED',
  ])
  return formatTable([['figure', 'unit', 'value', 'bar', ''], ...rows])
}

/** Writes a report as JSON and returns its path. */
export async function writeReport(name: string, report: unknown): Promise<string> {
  const folder = join(import.meta.dirname, '..', 'reports')
  await mkdir(folder, { recursive: true })
  const at = new Date().toISOString()
  const path = join(folder, `${name}-${at.replaceAll(/[:.]/g, '-')}.json`)
  const machine = { cores: cpus().length, cpu: cpus()[0]?.model, kernel: release() }
  const text = JSON.stringify({ at, node: process.version, machine, report }, undefined, 2)
  await writeFile(path, `${text}\n`)
  return path
}
