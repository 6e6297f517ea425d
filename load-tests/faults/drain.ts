/** `node load-tests/faults/drain.ts --rounds 10 --seed 1`: SIGTERM under mixed load. */
import { parseArgs } from 'node:util'
import { drainRound } from './drain-rounds.ts'

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const rounds = Number(values.rounds ?? 10)
console.log(`seed ${seed}, ${rounds} rounds`)
for (let round = 0; round < rounds; round++) {
  const { exitStatus, acknowledged, violations } = await drainRound(seed + round)
  console.log(`round ${round}: exit ${exitStatus}, ${acknowledged} writes acknowledged`)
  for (const violation of violations) console.log(`  ${violation}`)
  if (exitStatus !== 0 || violations.length > 0) process.exitCode = 1
}
