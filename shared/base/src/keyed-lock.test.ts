import { expect, test } from 'vitest'
import { KeyedLock, LOCK_WAITERS_MAX } from './keyed-lock.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

test('a key is granted in the order of asking', async () => {
  const lock = new KeyedLock()
  const order: number[] = []
  await Promise.all(
    [1, 2, 3, 4].map((caller) =>
      lock.hold('k', async () => {
        await turn()
        order.push(caller)
      }),
    ),
  )
  expect(order).toEqual([1, 2, 3, 4])
})

test('two holders of one key never overlap, holders of two keys do', async () => {
  const lock = new KeyedLock()
  let inside = 0
  let insideMax = 0
  const work = async (): Promise<void> => {
    inside += 1
    insideMax = Math.max(insideMax, inside)
    await turn()
    inside -= 1
  }
  await Promise.all([lock.hold('a', work), lock.hold('a', work), lock.hold('a', work)])
  expect(insideMax).toBe(1)
  await Promise.all([lock.hold('a', work), lock.hold('b', work)])
  expect(insideMax).toBe(2)
})

test('work that fails gives its key back', async () => {
  const lock = new KeyedLock()
  await expect(lock.hold('k', () => Promise.reject(new Error('no')))).rejects.toThrow('no')
  expect(lock.isHeld('k')).toBe(false)
  await expect(lock.hold('k', async () => 7)).resolves.toBe(7)
})

test('releasing twice frees the key once', async () => {
  const lock = new KeyedLock()
  const release = await lock.acquire('k')
  const second = lock.acquire('k')
  const third = lock.acquire('k')
  release()
  release()
  const releaseSecond = await second
  let thirdGranted = false
  const granted = third.then((done) => {
    thirdGranted = true
    done()
  })
  await turn()
  expect(thirdGranted).toBe(false)
  releaseSecond()
  await granted
  expect(thirdGranted).toBe(true)
})

test('a waiter that is aborted leaves the queue and its turn goes to the next', async () => {
  const lock = new KeyedLock()
  const release = await lock.acquire('k')
  const controller = new AbortController()
  const left = lock.acquire('k', controller.signal)
  const stays = lock.acquire('k')
  controller.abort(new Error('gone'))
  await expect(left).rejects.toThrow('gone')
  release()
  const done = await stays
  expect(lock.isHeld('k')).toBe(true)
  done()
  expect(lock.isHeld('k')).toBe(false)
})

test('an aborted signal does not take a free key', async () => {
  const lock = new KeyedLock()
  await expect(lock.acquire('k', AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone')
  expect(lock.isHeld('k')).toBe(false)
})

test('the last allowed waiter is taken and the first one too many refused', async () => {
  const lock = new KeyedLock()
  const release = await lock.acquire('k')
  const waiters = Array.from({ length: LOCK_WAITERS_MAX }, () => lock.acquire('k'))
  await expect(lock.acquire('k')).rejects.toMatchObject({ code: 'object-busy' })
  release()
  for (const waiter of waiters) (await waiter)()
  expect(lock.isHeld('k')).toBe(false)
})
