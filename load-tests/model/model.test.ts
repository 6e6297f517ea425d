import fc from 'fast-check'
import { expect, test } from 'vitest'
import { sequences } from './operations.ts'
import { runSequence } from './run-sequence.ts'

/** The short form; `node load-tests/model/model.ts --runs 10000` is the long one. */
const RUNS = 60

for (const variant of ['native', 'cached', 'shared'] as const) {
  test(`random sequences on a ${variant} bucket answer as a Map does, across restarts and crashes`, async () => {
    const property = fc.asyncProperty(sequences(variant), (operations) =>
      runSequence(variant, operations),
    )
    const result = await fc.check(property, {
      numRuns: RUNS,
      endOnFailure: false,
      interruptAfterTimeLimit: 60_000,
    })
    expect(result.failed, `${fc.defaultReportMessage(result)}\n${result.errorInstance}`).toBe(false)
  })
}
