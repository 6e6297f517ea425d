import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LruPolicy } from './lru.ts'

test('the rank is the second of the last use, 0 for what is unknown or gone', () => {
  let nowMs = 5000
  const lru = new LruPolicy(() => nowMs)
  lru.admitted(1)
  nowMs = 9000
  lru.admitted(2)
  expect([lru.rank(1), lru.rank(2), lru.rank(3)]).toEqual([5, 9, 0])
  lru.touched(1)
  lru.removed(2)
  expect([lru.rank(1), lru.rank(2)]).toEqual([9, 0])
})

test('a policy that was saved and loaded ranks as before', () => {
  let nowMs = 1000
  const lru = new LruPolicy(() => nowMs)
  for (let counter = 0; counter < 5000; counter++) {
    nowMs += 1000
    lru.touched(counter * 7919)
  }
  const copy = new LruPolicy(() => 0)
  copy.load(lru.save())
  for (let counter = 0; counter < 5000; counter++) {
    expect(copy.rank(counter * 7919)).toBe(lru.rank(counter * 7919))
  }
  copy.load(Uint8Array.of(1, 2, 3))
})

test('ranks agree with a map through any sequence of uses and removals', () => {
  const act = fc.record({ counter: fc.integer({ min: 0, max: 3000 }), remove: fc.boolean() })
  fc.assert(
    fc.property(fc.array(act, { maxLength: 4000, size: 'max' }), (acts) => {
      let nowMs = 1000
      const lru = new LruPolicy(() => nowMs)
      const model = new Map<number, number>()
      for (const { counter, remove } of acts) {
        nowMs += 1000
        if (remove) {
          lru.removed(counter)
          model.delete(counter)
        } else {
          lru.touched(counter)
          model.set(counter, nowMs / 1000)
        }
      }
      for (let counter = 0; counter <= 3000; counter++) {
        expect(lru.rank(counter)).toBe(model.get(counter) ?? 0)
      }
    }),
    { numRuns: 15 },
  )
})
