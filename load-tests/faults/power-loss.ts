/** `node load-tests/faults/power-loss.ts --rounds 5 --seed 1`, as root: power loss on a loop disk. */
import { parseArgs } from 'node:util'
import { NATIVE, REMOTE } from './fault-node.ts'
import { powerLossRound } from './power-loss-rounds.ts'

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130))

const { values } = parseArgs({
  options: { rounds: { type: 'string' }, seed: { type: 'string' } },
})
const seed = Number(values.seed ?? Date.now() % 2 ** 31)
const rounds = Number(values.rounds ?? 5)
console.log(`seed ${seed}, ${rounds} rounds`)
let wrongCount = 0
for (let round = 0; round < rounds; round++) {
  for (const bucket of [NATIVE, REMOTE] as const) {
    const { intact, wrong, refusedAfterwards } = await powerLossRound(bucket, seed + round)
    wrongCount += wrong.length
    console.log(
      `round ${round} ${bucket}: ${intact} of 100 intact, ${wrong.length} wrong or stale, ` +
        `${refusedAfterwards} writers stopped by the dead disk`,
    )
    for (const line of wrong) console.log(`  ${line}`)
  }
}
process.exitCode = wrongCount === 0 ? 0 : 1
