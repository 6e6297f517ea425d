import { setTimeout as sleep } from 'node:timers/promises'
import { parseBytes } from '@forebay/base/bytes'
import { parseObjectUrl } from '@forebay/client/address'
import type { ScrubPassReport, ScrubReport } from '@forebay/client/scrub'
import { clientOf, note, print, type Run } from '../cli-context.ts'
import { EXIT_CODES, usageError } from '../exit-code.ts'
import { formatPairs, formatTable, printable } from '../output/table.ts'
import { shareText, sizeText, spanText, timeText } from '../output/values.ts'

/** Time between two looks at a pass that is waited for, ms. */
const LOOK_MS = 500

export interface ScrubOptions {
  /** Wait for the end, and tell how far it is. */
  readonly wait?: boolean | undefined
  /** Bytes a second, as sizes are written. */
  readonly rate?: string | undefined
}

/**
 * `forebay scrub [URL]`: begins a pass over everything, or over a bucket or prefix.
 *
 * @returns the exit code: damage that nobody could repair has its own
 */
export async function startScrub(
  run: Run,
  url: string | undefined,
  options: ScrubOptions,
): Promise<number> {
  const { signal } = run.context
  const scope = url === undefined ? undefined : parseObjectUrl(url)
  const { scrub } = clientOf(run)
  let report = await scrub.start(scope, { rate: checkRate(options.rate), signal })
  if (options.wait !== true) {
    if (run.options.json === true) print(run, JSON.stringify(report.raw))
    else print(run, 'The scrub is under way; "forebay scrub status" tells how far it is.')
    return EXIT_CODES.ok
  }
  const line = new StatusLine(run)
  try {
    while (report.state === 'running') {
      line.show(progressText(report))
      await sleep(LOOK_MS, undefined, { signal })
      report = await scrub.status({ signal })
    }
  } finally {
    line.clear()
  }
  return showReport(run, report)
}

/** `forebay scrub status`. @returns the exit code, as of `startScrub` */
export async function showScrub(
  run: Run,
  options: { readonly failures?: boolean | undefined },
): Promise<number> {
  const { signal } = run.context
  const findings = options.failures === true
  return showReport(run, await clientOf(run).scrub.status({ findings, signal }))
}

/** `forebay scrub stop`: ends the pass under way. */
export async function stopScrub(run: Run): Promise<void> {
  await showReport(run, await clientOf(run).scrub.stop({ signal: run.context.signal }))
}

function checkRate(rate: string | undefined): string | undefined {
  if (rate === undefined) return undefined
  try {
    parseBytes(rate)
    return rate
  } catch {
    throw usageError(`"${rate}" is no rate`, 'Write bytes a second, like 100MiB; 0 = no limit.')
  }
}

function showReport(run: Run, report: ScrubReport): number {
  if (run.options.json === true) print(run, JSON.stringify(report.raw))
  else for (const line of reportLines(report)) print(run, line)
  const { pass } = report
  const left = pass === undefined ? 0 : pass.damaged - pass.repaired
  if (left <= 0) return EXIT_CODES.ok
  note(run, `${left} of what was found needs somebody: "forebay scrub status --failures" names it`)
  return EXIT_CODES.damaged
}

function reportLines(report: ScrubReport): readonly string[] {
  const { pass, next, findings } = report
  const state = report.waitsFor === undefined ? report.state : `waits: ${report.waitsFor}`
  const pairs: (readonly [string, string])[] = [
    ['state', state],
    ...(pass === undefined ? [['pass', 'none yet'] as const] : passPairs(pass)),
    ...(report.state === 'running' ? [['progress', progressText(report)] as const] : []),
    ['next pass', next === undefined ? '-' : timeText(next)],
  ]
  if (findings.length === 0) return formatPairs(pairs)
  const columns = [{ head: 'FOUND' }, { head: 'DONE' }, { head: 'OBJECT' }, { head: 'FILE' }]
  const rows = findings.map(({ damage, action, bucket, key, path }) => [
    damage,
    action,
    printable(bucket === undefined ? '-' : `${bucket}/${key ?? ''}`),
    printable(path),
  ])
  return [...formatPairs(pairs), '', ...formatTable(columns, rows)]
}

function passPairs(pass: ScrubPassReport): readonly (readonly [string, string])[] {
  return [
    ['pass', `${pass.state}, begun ${timeText(pass.started)}`],
    ...(pass.scope === undefined ? [] : [['of', printable(pass.scope)] as const]),
    ...(pass.ended === undefined ? [] : [['ended', timeText(pass.ended)] as const]),
    ['objects', String(pass.objects)],
    ['bytes', sizeText(pass.bytes)],
    ['damaged', `${pass.damaged}, ${pass.repaired} of them repaired`],
    ['new checksums', String(pass.adopted)],
    ['not judged', String(pass.unchecked)],
    ['unknown files', String(pass.orphans)],
  ]
}

function progressText(report: ScrubReport): string {
  const { pass, totalBytes = 0, bytesPerSecond, remainingSeconds, waitsFor } = report
  if (pass === undefined) return ''
  const share =
    totalBytes > 0 ? ` (${shareText(Math.min(pass.bytes, totalBytes), totalBytes)})` : ''
  const rate = bytesPerSecond === undefined ? '' : `, ${sizeText(Math.round(bytesPerSecond))}/s`
  const left = remainingSeconds === undefined ? '' : `, ${spanText(remainingSeconds)} left`
  const wait = waitsFor === undefined ? '' : `; waits: ${waitsFor}`
  return `${pass.objects} objects, ${sizeText(pass.bytes)}${share}${rate}${left}, ${pass.damaged} damaged${wait}`
}

/** One line on standard error that is written over, only where that is a terminal. */
class StatusLine {
  readonly #run: Run
  readonly #visible: boolean

  constructor(run: Run) {
    this.#run = run
    const { quiet, json } = run.options
    this.#visible = run.context.stderr.isTTY === true && quiet !== true && json !== true
  }

  show(text: string): void {
    if (this.#visible) this.#run.context.stderr.write(`\r\x1b[K${text}`)
  }

  clear(): void {
    if (this.#visible) this.#run.context.stderr.write('\r\x1b[K')
  }
}
