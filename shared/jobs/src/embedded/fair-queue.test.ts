import { expect, test } from 'vitest'
import type { JobPriority } from '../job.ts'
import { FairQueue } from './fair-queue.ts'

/** A queue with one place, which is taken until `begin`. */
function rig(): {
  readonly queue: FairQueue
  readonly order: string[]
  add(jobId: string, name: string, priority?: JobPriority): void
  begin(): Promise<void>
} {
  const queue = new FairQueue(1)
  const order: string[] = []
  const taken = Promise.withResolvers<void>()
  queue.add({ jobId: 'first', priority: 'high', run: () => taken.promise })
  return {
    queue,
    order,
    add: (jobId, name, priority = 'normal') =>
      queue.add({ jobId, priority, run: async () => void order.push(name) }),
    begin: async () => {
      taken.resolve()
      await queue.idle()
    },
  }
}

test('jobs of one priority take turns, each in its own order', async () => {
  const { add, begin, order } = rig()
  for (const name of ['a1', 'a2', 'a3']) add('a', name)
  for (const name of ['b1', 'b2']) add('b', name)
  add('c', 'c1')
  await begin()
  expect(order).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3'])
})

test('a higher priority comes first, whenever it came', async () => {
  const { add, begin, order } = rig()
  add('a', 'low', 'low')
  add('b', 'normal 1')
  add('c', 'high', 'high')
  add('b', 'normal 2')
  await begin()
  expect(order).toEqual(['high', 'normal 1', 'normal 2', 'low'])
})

test('what waits of a job can be dropped, and it may come again', async () => {
  const { add, begin, order, queue } = rig()
  for (let times = 0; times < 3; times++) {
    add('a', 'dropped')
    add('b', `b${times}`)
    queue.drop('a')
  }
  add('a', 'kept')
  await begin()
  expect(order).toEqual(['b0', 'kept', 'b1', 'b2'])
})

test('so many are under way at once as there are places', async () => {
  const queue = new FairQueue(3)
  let now = 0
  let most = 0
  for (let turn = 0; turn < 20; turn++) {
    const run = async (): Promise<void> => {
      now += 1
      most = Math.max(most, now)
      await new Promise(setImmediate)
      now -= 1
    }
    queue.add({ jobId: `job-${turn % 4}`, priority: 'normal', run })
  }
  await queue.idle()
  expect(most).toBe(3)
})
