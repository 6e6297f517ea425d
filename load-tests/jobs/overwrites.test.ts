import { expect, test } from 'vitest'
import { overwriteRounds } from './overwrite-rounds.ts'

/** `node load-tests/jobs/overwrites.ts --rounds 1000` is the long form. */
test('jobs that come again and late delete and overwrite nothing that users write meanwhile', async () => {
  const report = await overwriteRounds({ rounds: 24, seed: 5, roundsAtOnce: 8 })
  expect(report.violations).toEqual([])
  expect(report.failed).toBe(0)
  for (const name of ['done', 'skipped', 'userOperations', 'stalled', 'repeated'] as const) {
    expect(report[name], name).toBeGreaterThan(0)
  }
})
