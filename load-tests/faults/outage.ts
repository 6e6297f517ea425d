/**
 * `node load-tests/faults/outage.ts --minutes 10 --kind refused --seed 1 --rate 50`: takes the origin
 * away for so long, by default in each way for a third of it. A failure is written to `load-tests/reports`.
 */
import { parseArgs } from 'node:util'
import { OUTAGE_KINDS, outage } from './outage-rounds.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string' },
    kind: { type: 'string' },
    seed: { type: 'string' },
    rate: { type: 'string' },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const kinds = OUTAGE_KINDS.filter((kind) => values.kind === undefined || values.kind === kind)
const outageMs = (Number(values.minutes ?? 10) * 60_000) / kinds.length
for (const kind of kinds) {
  console.log(`${kind}, ${(outageMs / 60_000).toFixed(1)} minutes, seed ${seed}`)
  const report = await outage({
    ...{ seed, kind, outageMs, keyCount: 200, perSecond: Number(values.rate ?? 50) },
    calmMs: 15_000,
    noticeMs: 10_000,
    progressTimeout: '5s',
    say: (line) => console.log(line),
  })
  const seconds = outageMs / 1000
  console.log(
    `origin: ${report.backendRequests} requests in ${seconds} s of outage, ${report.logLines} lines logged`,
  )
  console.log(
    `after it: fresh answers after ${report.recoveryMs.toFixed(0)} ms; at the origin at most ` +
      `${report.afterPerKeyMax} requests for a key within its ttl, and ${report.afterPerSecondMax} in a ` +
      `second (${report.beforePerSecondMax} before)`,
  )
  for (const violation of report.violations.slice(0, 20)) console.log(`  ${violation}`)
  console.log(`${report.violations.length} violations`)
  if (report.violations.length > 0) process.exitCode = 1
}
