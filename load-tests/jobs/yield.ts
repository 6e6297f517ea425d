/**
 * How long users wait beside a prefetch that would take all of the origin:
 *
 * `node load-tests/jobs/yield.ts --seconds 20 --reads 50 --places 16 --service 20`
 */
import { parseArgs } from 'node:util'
import { yieldRun } from './yield-run.ts'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '20' },
    reads: { type: 'string', default: '50' },
    places: { type: 'string', default: '16' },
    service: { type: 'string', default: '20' },
  },
})
const { idle, busy, besideUsers, alone, originMost } = await yieldRun({
  watchMs: Number(values.seconds) * 1000,
  readsPerSecond: Number(values.reads),
  places: Number(values.places),
  serviceMs: Number(values.service),
})
for (const [name, waits] of Object.entries({ idle, busy })) {
  console.info(
    `${name}: ${waits.count} reads, p50 ${waits.p50.toFixed(1)} ms, p99 ${waits.p99.toFixed(1)} ms`,
  )
}
console.info(
  `p99 ${(busy.p99 / idle.p99).toFixed(2)} times that of idle; prefetch ${besideUsers.toFixed(0)} objects a second beside users, ${alone.toFixed(0)} alone, of ${originMost.toFixed(0)} that the origin serves`,
)
process.exitCode = busy.p99 <= 2 * idle.p99 ? 0 : 1
