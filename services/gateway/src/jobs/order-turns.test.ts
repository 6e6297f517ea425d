import { expect, test } from 'vitest'
import { LARGE_ORDERS_AT_ONCE, LARGE_ORDERS_WAITING_MAX, OrderTurns } from './order-turns.ts'

const { signal } = new AbortController()

/** Turns of which every one is taken. */
async function full(): Promise<{ turns: OrderTurns; ends: (() => void)[] }> {
  const turns = new OrderTurns()
  const ends: (() => void)[] = []
  for (let at = 0; at < LARGE_ORDERS_AT_ONCE; at++) ends.push(await turns.take(signal))
  return { turns, ends }
}

test('when all turns are taken the next ones wait, and come in their order', async () => {
  const { turns, ends } = await full()
  const came: string[] = []
  const first = turns.take(signal).then((end) => {
    came.push('first')
    return end
  })
  const second = turns.take(signal).then(() => came.push('second'))
  await Promise.resolve()
  expect(came).toEqual([])
  ends[0]?.()
  const end = await first
  expect(came).toEqual(['first'])
  end()
  await second
  expect(came).toEqual(['first', 'second'])
})

test('who leaves while waiting takes no turn', async () => {
  const { turns, ends } = await full()
  const leaving = new AbortController()
  const left = turns.take(leaving.signal)
  const stays = turns.take(signal)
  leaving.abort(new Error('the client left'))
  await expect(left).rejects.toThrow('the client left')
  await expect(turns.take(leaving.signal)).rejects.toThrow('the client left')
  ends[0]?.()
  await stays
})

test('no more wait than may', async () => {
  const { turns, ends } = await full()
  const waiting = Array.from({ length: LARGE_ORDERS_WAITING_MAX }, () => turns.take(signal))
  await expect(turns.take(signal)).rejects.toMatchObject({ code: 'slow-down' })
  ends[0]?.()
  await waiting[0]
  const again = turns.take(signal)
  await expect(turns.take(signal)).rejects.toMatchObject({ code: 'slow-down' })
  for (const one of [...waiting, again]) (await one)()
})
