import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeReport } from '../bench/report.ts'
import { ROOT } from '../testkit/tool-install.ts'
import { drawChart } from './chart.ts'
import { checkCosts, checkTraces, compareTraces } from './compare.ts'
import { measureCosts, measurePrint } from './cost.ts'
import { formatChecks, formatCosts, formatTraces } from './report.ts'

const CHART = 'docs/images/eviction-policies.svg'

/**
 * Every policy against every trace and the optimum, and what policies cost: tables, a report, a chart.
 *
 * @param objects of a data set; the costs are measured with fifty times as many
 * @returns false when a bar was missed
 */
export async function measureTraces(objects: number, seed: number): Promise<boolean> {
  const results = compareTraces({ objects, seed })
  const costs = measureCosts(50 * objects)
  const printNs = measurePrint()
  const checks = [...checkTraces(results), ...checkCosts(costs)]
  process.stdout.write(
    [
      formatTraces(results),
      `${formatCosts(costs)}\nand ${printNs.toFixed(0)} ns for the print of a key`,
      `${formatChecks(checks)}\n`,
    ].join('\n\n'),
  )
  const path = await writeReport('traces', { objects, seed, results, costs, printNs, checks })
  const chart = join(ROOT, CHART)
  await mkdir(join(chart, '..'), { recursive: true })
  await writeFile(chart, drawChart(results))
  process.stdout.write(`\nreport: ${path}\nchart: ${chart}\n`)
  return checks.every(({ met }) => met)
}
