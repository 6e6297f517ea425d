import type { SettingFlags } from '@forebay/config/flags'
import { clientOf, isColored, print, type Run } from '../cli-context.ts'
import { examine } from '../doctor/examine.ts'
import { DOCTOR_EXIT_CODES, type Finding, type Level, worstLevel } from '../doctor/finding.ts'
import { type Machine, systemMachine } from '../doctor/machine.ts'
import type { Origin } from '../doctor/origins.ts'
import { printable } from '../output/table.ts'
import { readIfThere } from './node.ts'

/** Longest wait for a running node's list of buckets. */
const BUCKETS_TIMEOUT_MS = 2000

/** Looks at the machine with the settings that a node started so would have. @returns the exit code */
export async function runDoctor(
  run: Run,
  flags: SettingFlags,
  machine: Machine = systemMachine,
): Promise<number> {
  const findings = await findingsOf(run, flags, machine)
  const worst = worstLevel(findings)
  const exitCode = DOCTOR_EXIT_CODES[worst]
  if (run.options.json === true) {
    print(run, JSON.stringify({ level: worst, exitCode, findings }))
    return exitCode
  }
  for (const line of findingLines(findings, isColored(run), run.options.quiet === true)) {
    print(run, line)
  }
  return exitCode
}

/** The findings alone, for the bundle. */
export function findingsOf(
  run: Run,
  flags: SettingFlags,
  machine: Machine = systemMachine,
): Promise<readonly Finding[]> {
  const { environment, signal } = run.context
  const bucketOrigins = (): Promise<readonly Origin[]> => originsOfBuckets(run)
  return examine({ machine, environment, flags, readFile: readIfThere, bucketOrigins, signal })
}

/** The stores behind the buckets of the node that runs; none when no node does, or it does not say. */
async function originsOfBuckets(run: Run): Promise<readonly Origin[]> {
  const { signal } = run.context
  const limit = AbortSignal.any([signal, AbortSignal.timeout(BUCKETS_TIMEOUT_MS)])
  try {
    const buckets = await clientOf(run).buckets.list({ signal: limit })
    return buckets.flatMap(({ address, backend }) => {
      // A bucket of a web server has its directory's address as the name there.
      const endpoint = backend?.['provider'] === 'http' ? backend['bucket'] : backend?.['endpoint']
      const url = typeof endpoint === 'string' ? URL.parse(endpoint) : null
      const name = `bucket ${address.provider}://${address.name}`
      return url === null ? [] : [{ name, url: url.href.replace(/\/$/, ''), stated: true }]
    })
  } catch {
    // Without a node that answers there are no buckets to look at; the rest is of use all the same.
    signal.throwIfAborted()
    return []
  }
}

const MARKS: Readonly<Record<Level, string>> = {
  ok: 'ok',
  note: 'note',
  warning: 'warning',
  problem: 'problem',
}

const COLORS: Readonly<Record<Level, string>> = {
  ok: '32',
  note: '2',
  warning: '33',
  problem: '31',
}

function findingLines(
  findings: readonly Finding[],
  colored: boolean,
  quiet: boolean,
): readonly string[] {
  const shown = quiet
    ? findings.filter(({ level }) => level !== 'ok' && level !== 'note')
    : findings
  const lines = shown.flatMap(({ level, check, message, todo }) => {
    const mark = MARKS[level].padEnd(8)
    const painted = colored ? `\x1b[${COLORS[level]}m${mark}\x1b[0m` : mark
    const line = `${painted} ${check.padEnd(12)} ${printable(message)}`
    return todo === undefined ? [line] : [line, `${' '.repeat(22)}try: ${printable(todo)}`]
  })
  const count = (level: Level): number => findings.filter((found) => found.level === level).length
  const summary = `${findings.length} findings: ${count('problem')} problems, ${count('warning')} warnings`
  return quiet ? lines : [...lines, '', summary]
}
