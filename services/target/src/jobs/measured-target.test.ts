import { PlayedClock } from '@forebay/base/testing/played-clock'
import { afterEach, expect, test } from 'vitest'
import { Rig } from '../objects/testing/rig.ts'
import { MeasuredTarget } from './measured-target.ts'
import { UserLoad } from './user-load.ts'

let rig: Rig
afterEach(() => rig.close())

test('what users wait for the store is told, of misses alone; what jobs read is not', async () => {
  rig = await Rig.open()
  rig.remote.put('remote', 'a', 'one')
  rig.remote.put('remote', 'b', 'one')
  const users = new UserLoad(rig.clock)
  const target = new MeasuredTarget(rig.context, users)
  const request = (key: string) => ({
    ...{ bucket: rig.bucket, key, conditions: {}, signal: new AbortController().signal },
  })
  expect(users.idleMs).toBe(Number.POSITIVE_INFINITY)
  for (const key of ['a', 'a', 'absent']) {
    const answer = await target.read(request(key))
    if (answer.kind === 'found') answer.body.close()
  }
  await rig.target.warm(request('b'))
  const { waitsMs } = users.take()
  expect(waitsMs).toHaveLength(1)
  expect(users.take().waitsMs).toEqual([])
})

test('a user who waits is there, and one who left is away for as long as that', async () => {
  rig = await Rig.open()
  const clock = new PlayedClock()
  const users = new UserLoad(clock)
  const asking = users.during(
    () => clock.sleep(5000),
    () => true,
  )
  await clock.advance(3000)
  expect(users.idleMs).toBe(0)
  await clock.advance(2000)
  await asking
  await clock.advance(1000)
  expect(users.idleMs).toBe(6000)
})

test('what was asked for before a new beginning does not count, and the latest of many do', async () => {
  rig = await Rig.open()
  const clock = new PlayedClock()
  const users = new UserLoad(clock)
  const ask = (ms: number) =>
    users.during(
      () => clock.sleep(ms),
      () => true,
    )
  const old = ask(1000)
  await clock.advance(1)
  users.startAnew()
  for (let count = 1; count <= 300; count++) void ask(count)
  await clock.advance(1000)
  await old
  const { waitsMs } = users.take()
  expect(waitsMs).toHaveLength(256)
  expect(Math.max(...waitsMs)).toBe(300)
  expect(waitsMs).not.toContain(1)
})
