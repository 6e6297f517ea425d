import { expect, test } from 'vitest'
import { BusyMap, BusySet } from './busy-map.ts'

test('a map has what came and did not go, in the order in which it came', () => {
  const map = new BusyMap<string, number>()
  expect([map.size, map.get('a'), map.has('a'), map.delete('a')]).toEqual([
    0,
    undefined,
    false,
    false,
  ])
  for (let round = 0; round < 1000; round++) map.set(`gone-${round}`, round).delete(`gone-${round}`)
  map.set('a', 1).set('b', 2).set('c', 3).set('b', 4)
  expect(map.delete('a')).toBe(true)
  expect([map.size, map.get('b'), map.has('c'), map.has('a')]).toEqual([2, 4, true, false])
  expect([...map.keys()]).toEqual(['b', 'c'])
  expect([...map.values()]).toEqual([4, 3])
})

test('a set has what came and did not go, in the order in which it came', () => {
  const set = new BusySet<number>()
  expect([set.size, set.has(1), set.delete(1), [...set]]).toEqual([0, false, false, []])
  for (let value = 0; value < 1000; value++) set.add(value)
  for (let value = 0; value < 998; value++) expect(set.delete(value)).toBe(true)
  set.add(5).add(998)
  expect([set.size, set.has(5), set.has(6)]).toEqual([3, true, false])
  expect([...set]).toEqual([998, 999, 5])
})
