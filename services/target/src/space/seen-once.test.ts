import { expect, test } from 'vitest'
import { SeenOnce } from './seen-once.ts'

const name = (key: string, bucketId = 1) => ({ bucketId, key })

test('the second time is the second, and after it the object is forgotten', () => {
  const seen = new SeenOnce()
  expect(['a', 'b', 'a', 'a'].map((key) => seen.isSecond(name(key), 0))).toEqual([
    false,
    false,
    true,
    false,
  ])
})

test('buckets are told apart, and one that is dropped is forgotten', () => {
  const seen = new SeenOnce()
  expect([seen.isSecond(name('a', 1), 0), seen.isSecond(name('a', 2), 0)]).toEqual([false, false])
  seen.dropBucket(1)
  expect([seen.isSecond(name('a', 1), 0), seen.isSecond(name('a', 2), 0)]).toEqual([false, true])
})

test('the latest 65,536 are remembered, at 2 bytes and a bit each', () => {
  const seen = new SeenOnce()
  const keys = Array.from({ length: 65_536 }, (_, at) => `k${at}`)
  for (const key of keys) seen.isSecond(name(key), 0)
  // Sets of eight are not filled evenly: the oldest of a full one is written over.
  const remembered = keys.slice(-32_768).filter((key) => seen.isSecond(name(key), 0)).length
  expect(remembered).toBeGreaterThan(32_000)
  for (let at = 0; at < 1_000_000; at++) seen.isSecond(name(`more${at}`), 0)
  expect(seen.memoryBytes).toBeLessThan(65_536 * 4)
})
