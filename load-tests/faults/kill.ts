/** `node load-tests/faults/kill.ts --rounds 200 --seed 1`: random SIGKILLs under mixed load. */
import { parseArgs } from 'node:util'
import { killRounds } from './kill-rounds.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const rounds = Number(values.rounds ?? 200)
console.log(`seed ${seed}, ${rounds} rounds`)
const startedMs = performance.now()
const { roundCount, tally, violations } = await killRounds({
  seed,
  rounds,
  say: (line) => console.log(line),
})
const statuses = [...tally.statuses].map(([status, count]) => `${count} x ${status}`).join(', ')
console.log(`answers: ${statuses}; ${tally.unanswered} without an answer`)
console.log(`${tally.reads} reads judged, ${tally.acknowledged} writes acknowledged`)
for (const violation of violations) console.log(violation)
const took = Math.round((performance.now() - startedMs) / 1000)
console.log(`${roundCount} kills, ${violations.length} violations, ${took} s, seed ${seed}`)
process.exitCode = violations.length === 0 ? 0 : 1
