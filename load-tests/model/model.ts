/**
 * The model test in its long form.
 *
 *   node load-tests/model/model.ts [--runs 10000] [--seed N] [--variant native|cached|shared]
 */
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { sequences } from './operations.ts'
import { runSequence } from './run-sequence.ts'

const VARIANTS = ['native', 'cached', 'shared'] as const

const { values } = parseArgs({
  options: { runs: { type: 'string' }, seed: { type: 'string' }, variant: { type: 'string' } },
})
const variants = VARIANTS.filter((name) => (values.variant ?? name) === name)
if (variants.length === 0) throw new Error(`--variant is one of ${VARIANTS.join(', ')}`)
const runs = Number(values.runs ?? 10_000)
const seed = Number(values.seed ?? Date.now() % 2 ** 31)

let done = 0
for (const variant of variants) {
  const numRuns = Math.ceil(runs / variants.length)
  const startedMs = performance.now()
  const property = fc.asyncProperty(sequences(variant), async (operations) => {
    await runSequence(variant, operations)
    done += 1
    if (done % 100 !== 0) return
    const rate = (done * 1000) / (performance.now() - startedMs)
    process.stderr.write(`\r${variant}: ${done} sequences, seed ${seed}, ${rate.toFixed(0)}/s   `)
  })
  const result = await fc.check(property, { numRuns, seed })
  if (result.failed) {
    process.stderr.write(
      `\n${variant}: ${fc.defaultReportMessage(result)}\n${result.errorInstance}\n`,
    )
    process.exit(1)
  }
  process.stdout.write(`\n${variant}: ${numRuns} sequences passed (seed ${seed})\n`)
  done = 0
}
