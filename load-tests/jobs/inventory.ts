/**
 * An inventory of many keys whose node is killed while it is made, against the list of its origin:
 *
 * `node load-tests/jobs/inventory.ts --keys 1000000 --list-ms 20 --kills 2 --seed 1`
 */
import { parseArgs } from 'node:util'
import { inventoryRun } from './inventory-run.ts'

/** The inventory is to list so much faster than its origin, at least. */
const RATIO_MIN = 20

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    'list-ms': { type: 'string', default: '20' },
    kills: { type: 'string', default: '2' },
    changes: { type: 'string', default: '200' },
    seed: { type: 'string', default: '1' },
  },
})
const report = await inventoryRun({
  keys: Number(values.keys),
  listMs: Number(values['list-ms']),
  kills: Number(values.kills),
  changes: Number(values.changes),
  seed: Number(values.seed),
  say: (line) => console.info(line),
})
const ratio = report.originPageMs / report.inventoryPageMs
console.info(JSON.stringify({ ...report, ratio }, undefined, 2))
const { buildLists, kills, isComplete, isCurrent, isRefreshed, listsMeanwhile } = report
const isOnePass = buildLists <= Math.ceil(Number(values.keys) / 1000) + kills
const isRight = isOnePass && isComplete && isCurrent && isRefreshed && listsMeanwhile === 0
if (!(ratio >= RATIO_MIN))
  console.info(`missed: it lists ${ratio.toFixed(1)}x as fast as the origin`)
process.exitCode = isRight && ratio >= RATIO_MIN ? 0 : 1
