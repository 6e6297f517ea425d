import { afterEach, beforeEach, expect, test } from 'vitest'
import { cachedBucket, Rig } from './testing/rig.ts'

let rig: Rig
beforeEach(async () => {
  rig = await Rig.open(
    cachedBucket({ revalidate: { kind: 'after', ttlMs: 1000 }, staleIfErrorMs: 5000 }),
  )
  rig.remote.put('remote', 'warm', 'bytes')
  rig.remote.put('remote', 'cold', 'bytes')
  await rig.get('warm')
  await rig.idle()
  const refused = { kind: 'refuse', code: 'budget-spent', retryAfterSeconds: 60 } as const
  rig.remote.addFault({ action: refused, on: ['read', 'head', 'list'], times: 1e9 })
})
afterEach(() => rig.close())

test('with the budget spent what is cached and fresh is answered', async () => {
  expect((await rig.get('warm'))?.toString()).toBe('bytes')
  expect(rig.reads.at(-1)).toBe('hit')
})

test('what is stale is answered for as long as the bucket allows', async () => {
  rig.clock.shiftMs += 2000
  expect((await rig.get('warm'))?.toString()).toBe('bytes')
  expect(rig.reads.at(-1)).toBe('stale')
  rig.clock.shiftMs += 5000
  await expect(rig.get('warm')).rejects.toMatchObject({ code: 'budget-spent' })
})

test('what is not cached is refused with the time at which to come again', async () => {
  await expect(rig.get('cold')).rejects.toMatchObject({
    code: 'budget-spent',
    status: 503,
    retryAfterSeconds: 60,
  })
})
