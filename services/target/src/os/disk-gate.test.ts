import { closeSync, openSync } from 'node:fs'
import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { DiskGate, diskFailure, diskGateOf } from './disk-gate.ts'

const hung = () => new Promise<never>(() => undefined)

test('operations beyond the bound wait their turn, in order', async () => {
  const gate = new DiskGate({ operationsMax: 2 })
  const order: number[] = []
  let running = 0
  let most = 0
  await Promise.all(
    [0, 1, 2, 3, 4].map((index) =>
      gate.run(async () => {
        order.push(index)
        running += 1
        most = Math.max(most, running)
        await new Promise((resolve) => setImmediate(resolve))
        running -= 1
      }),
    ),
  )
  expect(order).toEqual([0, 1, 2, 3, 4])
  expect(most).toBe(2)
})

test('waiters beyond the bound are refused', async () => {
  const gate = new DiskGate({ operationsMax: 1, waitersMax: 1 })
  const first = Promise.withResolvers<string>()
  const running = gate.run(() => first.promise)
  const waiting = gate.run(async () => 'second')
  await expect(gate.run(async () => 'third')).rejects.toMatchObject({ code: 'slow-down' })
  first.resolve('first')
  expect(await Promise.all([running, waiting])).toEqual(['first', 'second'])
})

test('a disk that does not answer fails its callers, keeps its places, and shows', async () => {
  const gate = new DiskGate({ operationsMax: 2, timeoutMs: 20 })
  const late = Promise.withResolvers<void>()
  let started = 0
  const calls = [hung, () => late.promise, hung, hung].map((operation) =>
    gate.run(() => {
      started += 1
      return operation()
    }),
  )
  for (const result of await Promise.allSettled(calls)) {
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'disk-error' } })
  }
  expect(started).toBe(2)
  expect(gate.overdueCount).toBe(2)
  late.resolve()
  expect(await gate.run(async () => 'served')).toBe('served')
  expect(gate.overdueCount).toBe(1)
})

test('a patient caller gets its answer however late', async () => {
  const gate = new DiskGate({ timeoutMs: 5 })
  const slow = () => new Promise<string>((resolve) => setTimeout(() => resolve('late'), 40))
  expect(await gate.run(slow, { patient: true })).toBe('late')
  expect(gate.overdueCount).toBe(0)
})

test('who leaves the queue is never started', async () => {
  const gate = new DiskGate({ operationsMax: 1 })
  const first = Promise.withResolvers<void>()
  const running = gate.run(() => first.promise)
  const controller = new AbortController()
  let started = false
  const waiting = gate.run(
    async () => {
      started = true
    },
    { signal: controller.signal },
  )
  controller.abort(new Failure('client-gone', 'left'))
  await expect(waiting).rejects.toMatchObject({ code: 'client-gone' })
  first.resolve()
  await running
  await gate.run(async () => undefined)
  expect(started).toBe(false)
  const late = gate.run(async () => undefined, { signal: controller.signal })
  await expect(late).rejects.toMatchObject({ code: 'client-gone' })
})

test('an operation that fails frees its place', async () => {
  const gate = new DiskGate({ operationsMax: 1 })
  await expect(gate.run(() => Promise.reject(new Error('EIO')))).rejects.toThrow('EIO')
  expect(await gate.run(async () => 1)).toBe(1)
})

test('files of one disk share a gate', () => {
  const here = openSync(import.meta.filename, 'r')
  const beside = openSync(import.meta.dirname, 'r')
  const elsewhere = openSync('/proc/self/status', 'r')
  try {
    expect(diskGateOf(here)).toBe(diskGateOf(beside))
    expect(diskGateOf(here)).not.toBe(diskGateOf(elsewhere))
  } finally {
    for (const fd of [here, beside, elsewhere]) closeSync(fd)
  }
})

test('errors of the disk get the code that says what to do', () => {
  const failed = (code: string) =>
    diskFailure(Object.assign(new Error(code), { code }), 'writing').code
  expect(failed('ENOSPC')).toBe('out-of-space')
  expect(failed('EDQUOT')).toBe('out-of-space')
  expect(failed('EIO')).toBe('disk-error')
  expect(failed('EROFS')).toBe('disk-error')
  expect(failed('EMFILE')).toBe('slow-down')
  expect(failed('ENFILE')).toBe('slow-down')
  const own = new Failure('object-corrupt', 'short')
  expect(diskFailure(own, 'reading')).toBe(own)
  expect(diskFailure('odd', 'reading').message).toBe('reading: odd')
})
