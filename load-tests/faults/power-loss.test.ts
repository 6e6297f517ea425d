import { expect, test } from 'vitest'
import { isLeftOut, requireTool } from '../testkit/tools.ts'
import { NATIVE, REMOTE } from './fault-node.ts'
import { powerLossRound } from './power-loss-rounds.ts'

const leftOut = isLeftOut('power-loss')

test.skipIf(leftOut)(
  'after a power loss a native bucket has every acknowledged object',
  async () => {
    requireTool('power-loss')
    const { intact, wrong, refusedAfterwards } = await powerLossRound(NATIVE, 41)
    expect(wrong).toEqual([])
    expect(intact).toBe(100)
    expect(refusedAfterwards, 'writers that the dead disk stopped').toBe(4)
  },
)

test.skipIf(leftOut)(
  'after a power loss a bucket with a backend answers nothing torn and nothing stale',
  async () => {
    requireTool('power-loss')
    const { intact, wrong } = await powerLossRound(REMOTE, 42)
    expect(wrong).toEqual([])
    expect(intact).toBe(100)
  },
)
