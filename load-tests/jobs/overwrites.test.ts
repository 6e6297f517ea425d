import { expect, test } from 'vitest'
import { isLeftOut } from '../testkit/tools.ts'
import { overwriteRounds } from './overwrite-rounds.ts'

/** `node load-tests/jobs/overwrites.ts --rounds 1000`, with `--redis` or without, is the long form. */
async function play(options: {
  readonly rounds: number
  readonly inRedis: boolean
}): Promise<void> {
  const report = await overwriteRounds({ ...options, seed: 5, roundsAtOnce: 8 })
  expect(report.violations).toEqual([])
  expect(report.failed).toBe(0)
  for (const name of ['done', 'skipped', 'userOperations', 'stalled', 'repeated'] as const) {
    expect(report[name], name).toBeGreaterThan(0)
  }
}

test('jobs that come again and late delete and overwrite nothing that users write meanwhile', () =>
  play({ rounds: 24, inRedis: false }))

test.skipIf(isLeftOut('valkey'))('jobs that BullMQ delivers again and late do not, either', () =>
  play({ rounds: 16, inRedis: true }),
)
