import { afterEach, expect, test } from 'vitest'
import { NATIVE, Rig } from './testing/rig.ts'

let rig: Rig
afterEach(() => rig.close())

test('the seeks of a page from the index are told: one, and at most two for a common prefix', async () => {
  rig = await Rig.open()
  for (const key of ['a/1', 'a/2', 'b/1', 'c']) await rig.put(key, 'x', { bucket: NATIVE })
  const request = {
    bucket: NATIVE,
    prefix: '',
    pageMax: 10,
    signal: new AbortController().signal,
  }
  await rig.target.list(request)
  const grouped = await rig.target.list({ ...request, delimiter: '/' })
  expect(grouped.commonPrefixes).toEqual(['a/', 'b/'])
  const [flat = 0, prefixes = 0] = rig.listSeeks
  expect(rig.listSeeks).toHaveLength(2)
  expect(flat).toBe(1)
  expect(prefixes).toBeGreaterThan(0)
  expect(prefixes).toBeLessThanOrEqual(1 + 2 * 2)
})
