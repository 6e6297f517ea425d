/**
 * `node load-tests/faults/random-faults.ts --minutes 30 --seed 1 --share 0.05 --rate 50`: an origin that
 * spoils a share of all requests. A failure is written to `load-tests/reports`.
 */
import { parseArgs } from 'node:util'
import { randomFaults } from './random-fault-rounds.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    seed: { type: 'string' },
    share: { type: 'string' },
    rate: { type: 'string' },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const faultyMs = Number(values.minutes ?? 30) * 60_000
console.log(`seed ${seed}, ${faultyMs / 60_000} minutes`)
const report = await randomFaults({
  seed,
  cleanMs: Math.min(120_000, faultyMs / 4),
  faultyMs,
  share: Number(values.share ?? 0.05),
  perSecond: Number(values.rate ?? 50),
  progressTimeout: '5s',
  say: (line) => console.log(line),
})
const faults = [...report.faults].map(([kind, count]) => `${count} ${kind}`).join(', ')
console.log(`faults: ${faults}`)
const { backendRequests, retries, amplification } = report
const ratio = backendRequests / (backendRequests - retries)
console.log(
  `${backendRequests} requests to the origin, ${retries} of them retries: ${ratio.toFixed(3)}x; bar 1.1`,
)
console.log(
  `origin requests with faults against without, for all reasons: ${amplification.toFixed(2)}`,
)
for (const violation of report.violations) console.log(violation)
console.log(`${report.violations.length} violations, seed ${seed}`)
process.exitCode = report.violations.length === 0 && ratio <= 1.1 ? 0 : 1
