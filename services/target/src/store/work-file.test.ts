import { expect, test } from 'vitest'
import { CACHED, NATIVE, openTestStore, temporaryDirectory } from './testing/store-fixture.ts'

const MIB = 1024 ** 2

test('a work file that found no room gives back what it has, and nothing of another', async () => {
  const { store } = await openTestStore([temporaryDirectory()], { capacityBytes: 40 * MIB })
  const holder = await store.createWork(NATIVE, 'holder', 30 * MIB)
  const late = await store.createWork(CACHED, 'late', MIB)
  await expect(late.reserve(20 * MIB)).rejects.toMatchObject({ code: 'out-of-space' })
  late.discard()
  expect(store.totals().reservedBytes).toBe(30 * MIB)
  holder.discard()
  expect(store.totals().reservedBytes).toBe(0)
  await store.close()
})
