/**
 * `npm run faults -- --only 13,15 --seed 1 --short`: the table of faults, row by row, for one node. Prints
 * a line for each row and a table, and writes `load-tests/reports/faults.json`.
 */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { ROOT } from '../testkit/tool-install.ts'
import { ROWS } from './rows/all.ts'
import type { FaultRow, RowReport } from './rows/row.ts'

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    seed: { type: 'string' },
    short: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const scale = values.short ? 'short' : 'long'
const only = values.only?.split(',').map(Number)
const rows = ROWS.filter(({ number }) => only === undefined || only.includes(number))
console.log(`${rows.length} rows, ${scale}, seed ${seed}`)

type Done = RowReport & {
  readonly number: number
  readonly title: string
  readonly seconds: number
}

const done: Done[] = []
for (const row of rows) {
  const startedMs = performance.now()
  const report = await play(row)
  const seconds = Math.round((performance.now() - startedMs) / 100) / 10
  done.push({ number: row.number, title: row.title, seconds, ...report })
  console.log(`${row.number} ${wordOf(report)}, ${seconds} s: ${row.title}`)
  console.log(`   ${report.skipped ?? report.figures}`)
  for (const violation of report.violations.slice(0, 10)) console.log(`   ! ${violation}`)
}
const reports = join(ROOT, 'load-tests', 'reports')
await mkdir(reports, { recursive: true })
await writeFile(join(reports, 'faults.json'), JSON.stringify({ seed, scale, rows: done }, null, 1))
console.log(`\n| row | state | s |\n| --- | --- | --- |`)
for (const each of done) console.log(`| ${each.number} | ${wordOf(each)} | ${each.seconds} |`)
const broken = done.filter(({ violations }) => violations.length > 0)
console.log(`${done.length} rows, ${broken.length} broken, seed ${seed}`)
process.exitCode = broken.length === 0 ? 0 : 1

async function play(row: FaultRow): Promise<RowReport> {
  try {
    return await row.run({ seed, scale })
  } catch (error) {
    return { figures: '', violations: [`it could not be played: ${String(error)}`] }
  }
}

function wordOf({ violations, skipped }: RowReport): string {
  if (skipped !== undefined) return 'left out'
  return violations.length === 0 ? 'kept' : 'BROKEN'
}
