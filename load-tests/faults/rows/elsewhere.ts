/** Rows that have a program or a test of their own: played from here, not repeated. */
import { join } from 'node:path'
import { stripVTControlCharacters } from 'node:util'
import { runCommand } from '../../testkit/run-command.ts'
import { ROOT } from '../../testkit/tool-install.ts'
import { drainRound } from '../drain-rounds.ts'
import { NATIVE, REMOTE } from '../fault-node.ts'
import { killRounds } from '../kill-rounds.ts'
import { powerLossRound } from '../power-loss-rounds.ts'
import type { FaultRow, RowContext, RowReport } from './row.ts'

/** Longest run of a test file, ms. */
const TESTS_MS = 600_000

const kills: FaultRow = {
  number: 1,
  title: 'SIGKILL in the middle of writes and reads (rows 1 and 2): all or nothing, nothing left',
  inTests: false,
  async run({ seed, scale }) {
    const report = await killRounds({ seed, rounds: scale === 'long' ? 200 : 8 })
    const { roundCount, tally, violations } = report
    const figures = `${roundCount} kills, ${tally.acknowledged} acknowledged writes, ${tally.reads} reads`
    return { figures, violations }
  },
}

const powerLoss: FaultRow = {
  number: 3,
  title: 'power loss: no acknowledged native object is lost, none is torn',
  inTests: false,
  async run({ seed, scale }) {
    if (process.getuid?.() !== 0) return skipped('a file system of its own needs root')
    const violations: string[] = []
    const intacts: number[] = []
    for (let round = 0; round < (scale === 'long' ? 5 : 1); round++) {
      for (const bucket of [NATIVE, REMOTE] as const) {
        const { intact, wrong } = await powerLossRound(bucket, seed + round)
        if (bucket === NATIVE) intacts.push(intact)
        violations.push(...wrong)
      }
    }
    return { figures: `of 100 native objects intact: ${intacts.join(', ')}`, violations }
  },
}

const drains: FaultRow = {
  number: 27,
  title: 'SIGTERM under load: exit 0, no acknowledged write lost',
  inTests: false,
  async run({ seed, scale }) {
    const violations: string[] = []
    let acknowledged = 0
    const rounds = scale === 'long' ? 10 : 1
    for (let round = 0; round < rounds; round++) {
      const report = await drainRound(seed + round)
      acknowledged += report.acknowledged
      if (report.exitStatus !== 0) violations.push(`round ${round}: exit ${report.exitStatus}`)
      violations.push(...report.violations)
    }
    return { figures: `${rounds} ends, ${acknowledged} writes acknowledged`, violations }
  },
}

/** A row that test files show, whatever the seed. */
function shownByTests(
  number: number,
  title: string,
  tests: { readonly project: 'unit' | 'system'; readonly files: readonly string[] },
): FaultRow {
  return { number, title, inTests: false, run: (context) => runTests(context, tests) }
}

async function runTests(
  _context: RowContext,
  { project, files }: { readonly project: string; readonly files: readonly string[] },
): Promise<RowReport> {
  const vitest = join(ROOT, 'node_modules', 'vitest', 'vitest.mjs')
  const args = [vitest, 'run', '--project', project, '--reporter=dot', ...files]
  try {
    const { stdout } = await runCommand(process.execPath, args, { cwd: ROOT, timeoutMs: TESTS_MS })
    const passed = /Tests.*?(\d+) passed/.exec(stripVTControlCharacters(stdout))?.[1] ?? 'no'
    return { figures: `${passed} tests of ${files.join(' ')}`, violations: [] }
  } catch (error) {
    return { figures: files.join(' '), violations: [String(error).slice(0, 2000)] }
  }
}

function skipped(why: string): RowReport {
  return { figures: '', violations: [], skipped: why }
}

export const SHOWN_ELSEWHERE: readonly FaultRow[] = [
  kills,
  powerLoss,
  drains,
  shownByTests(6, 'bit rot, short, swapped and lost files: one pass of the scrub finds all', {
    project: 'unit',
    files: ['services/target/src/scrub/scrub-faults.test.ts'],
  }),
  shownByTests(20, 'no file descriptors: right answers or "later", itself again in 5 s', {
    project: 'system',
    files: ['load-tests/faults/descriptors.test.ts'],
  }),
  shownByTests(21, '250 slow clients of each kind: let go, memory bounded', {
    project: 'system',
    files: ['load-tests/compatibility/bad-inputs/slow-clients.test.ts'],
  }),
]
