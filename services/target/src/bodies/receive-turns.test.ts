import { expect, test } from 'vitest'
import { ReceiveTurns } from './receive-turns.ts'

const CHUNK = 64 * 1024

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('bodies go on until the turn has no bytes left, then they wait', () => {
  const turns = new ReceiveTurns(2 * CHUNK)
  expect(turns.spend(CHUNK)).toBeUndefined()
  expect(turns.spend(CHUNK - 1)).toBeUndefined()
  expect(turns.spend(1)).toBeInstanceOf(Promise)
  expect(turns.spend(1)).toBeInstanceOf(Promise)
})

test('who waits goes on by order of asking, a turn of the loop at a time', async () => {
  const turns = new ReceiveTurns(2 * CHUNK)
  expect(turns.spend(2 * CHUNK - 1)).toBeUndefined()
  const entered: number[] = []
  for (let who = 0; who < 5; who++) void turns.spend(CHUNK)?.then(() => entered.push(who))
  const seen: number[] = []
  while (entered.length < 5) {
    await turn()
    seen.push(entered.length)
  }
  expect(entered).toEqual([0, 1, 2, 3, 4])
  const steps = seen.map((count, at) => count - (seen[at - 1] ?? 0))
  expect(Math.max(...steps)).toBe(2)
})

test('a turn that nobody used up leaves the next one whole', async () => {
  const turns = new ReceiveTurns(CHUNK)
  expect(turns.spend(CHUNK - 1)).toBeUndefined()
  await turn()
  expect(turns.spend(CHUNK - 1)).toBeUndefined()
})
