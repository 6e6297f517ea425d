import { expect, test } from 'vitest'
import { drainRound } from './drain-rounds.ts'

test.each([11, 12])(
  'SIGTERM under load drains: nothing is lost, exit status 0 (%i)',
  async (seed) => {
    const { exitStatus, acknowledged, violations } = await drainRound(seed)
    expect(violations).toEqual([])
    expect(exitStatus).toBe(0)
    expect(acknowledged, 'the load writes').toBeGreaterThan(0)
  },
)
