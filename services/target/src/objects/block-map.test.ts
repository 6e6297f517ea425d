import { expect, test } from 'vitest'
import { BlockMap } from './block-map.ts'

test('the last block is as long as the rest of the object', () => {
  const map = new BlockMap(10, 4)
  expect(map.blockCount).toBe(3)
  expect([map.startOf(2), map.endOf(2)]).toEqual([8, 10])
})

test('bytes are there from an offset to the first gap', () => {
  const map = new BlockMap(10, 4)
  map.markPresent(0, 1)
  map.markPresent(2, 1)
  expect([map.presentEnd(1), map.presentEnd(4), map.presentEnd(9)]).toEqual([4, 4, 10])
  map.markPresent(1, 1)
  expect(map.presentEnd(0)).toBe(10)
  expect(map.complete).toBe(true)
})

test('present bytes count the short last block as what it is', () => {
  const map = new BlockMap(10, 4)
  map.markPresent(2, 7)
  expect(map.presentBytes).toBe(2)
  map.markPresent(2, 7)
  expect(map.presentBytes).toBe(2)
  map.markPresent(0, 7)
  expect(map.presentBytes).toBe(6)
})

test('a run of absent blocks ends at a claim, and a claim can be given back', () => {
  const map = new BlockMap(40, 4)
  map.claim(3, 5)
  expect(map.absentRun(1, 10)).toEqual({ first: 1, end: 3 })
  expect(map.absentRun(3, 5)).toBeUndefined()
  map.markPresent(3, 9)
  map.unclaim(3, 5)
  expect(map.absentRun(3, 10)).toEqual({ first: 4, end: 10 })
})

test('an object of no bytes is complete without a block', () => {
  expect(new BlockMap(0, 4).complete).toBe(true)
})

test('a table survives the way through a record', () => {
  const map = new BlockMap(10, 4)
  map.markPresent(1, 42)
  const again = new BlockMap(10, 4, map.toTable())
  expect([again.isPresent(0), again.isPresent(1)]).toEqual([false, true])
  expect(Array.from(again.toTable().crcs)).toEqual([-1, 42, -1])
})
