import { expect, test } from 'vitest'
import { killRounds } from './kill-rounds.ts'

/** Another seed finds other moments; a seed that found something stays here. */
const SEED = 20_260

test('killed at random under mixed load, a node loses, tears and mixes nothing', async () => {
  const report = await killRounds({ seed: SEED, rounds: 8 })
  expect(report.violations).toEqual([])
  expect(report.tally.acknowledged, 'the load writes').toBeGreaterThan(20)
  expect(report.tally.reads, 'the load reads').toBeGreaterThan(20)
})
