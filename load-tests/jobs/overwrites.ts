/**
 * `node load-tests/jobs/overwrites.ts --rounds 1000 --seed 1`: delete and copy jobs whose pages are
 * delivered again, late and by holders that stand still, while users overwrite the same keys.
 * With `--redis` the jobs are in a Valkey, delivered by BullMQ.
 */
import { parseArgs } from 'node:util'
import { overwriteRounds } from './overwrite-rounds.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    seed: { type: 'string' },
    'at-once': { type: 'string' },
    redis: { type: 'boolean', default: false },
  },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const rounds = Number(values.rounds ?? 1000)
const roundsAtOnce = Number(values['at-once'] ?? 8)
console.log(`seed ${seed}, ${rounds} rounds, ${roundsAtOnce} at once`)
const beganAt = performance.now()
const { violations, ...report } = await overwriteRounds({
  ...{ rounds, seed, roundsAtOnce },
  inRedis: values.redis,
})
console.log(JSON.stringify(report))
for (const violation of violations) console.log(violation)
const seconds = ((performance.now() - beganAt) / 1000).toFixed(0)
console.log(`${violations.length} violations in ${rounds} rounds, ${seconds} s`)
if (violations.length > 0) process.exitCode = 1
