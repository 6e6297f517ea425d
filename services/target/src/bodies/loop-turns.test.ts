import { expect, test } from 'vitest'
import { LoopTurns } from './loop-turns.ts'
import { SLICE_BYTES } from './send-limits.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('slices are let in at once until the turn has no bytes left', () => {
  const turns = new LoopTurns(2 * SLICE_BYTES)
  expect(turns.admit()).toBeUndefined()
  turns.spend(SLICE_BYTES)
  expect(turns.admit()).toBeUndefined()
  turns.spend(SLICE_BYTES)
  expect(turns.admit()).toBeInstanceOf(Promise)
})

test('who waits gets in by order of asking, a turn of the loop at a time', async () => {
  const turns = new LoopTurns(2 * SLICE_BYTES)
  turns.spend(2 * SLICE_BYTES)
  const entered: number[] = []
  for (let who = 0; who < 5; who++) void turns.admit()?.then(() => entered.push(who))
  const seen: number[] = []
  while (entered.length < 5) {
    await turn()
    seen.push(entered.length)
  }
  expect(entered).toEqual([0, 1, 2, 3, 4])
  const steps = seen.map((count, at) => count - (seen[at - 1] ?? 0))
  expect(Math.max(...steps)).toBeLessThanOrEqual(2)
})

test('a turn that nobody used up leaves the next one whole', async () => {
  const turns = new LoopTurns(SLICE_BYTES)
  turns.spend(100)
  await turn()
  await turn()
  expect(turns.admit()).toBeUndefined()
})
