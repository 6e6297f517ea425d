import { expect, test } from 'vitest'
import { BlockMap } from './block-map.ts'
import { Readers } from './readers.ts'

const BLOCK = 64 * 1024

function urgent(readers: Readers, map: BlockMap) {
  return readers.mostUrgent(BLOCK, (first, end) => map.absentRun(first, end))
}

test('of what readers lack, the blocks nearest before one of them come first', () => {
  const map = new BlockMap(20 * BLOCK, BLOCK)
  map.claim(0, 5)
  const readers = new Readers()
  readers.add(0, 20 * BLOCK)
  const far = readers.add(10 * BLOCK + 5, 12 * BLOCK)
  expect(urgent(readers, map)).toEqual({ first: 10, end: 12 })
  map.claim(10, 12)
  expect(urgent(readers, map)).toEqual({ first: 5, end: 10 })
  readers.delete(far)
  expect(readers.count).toBe(1)
})

test('a reader who went on leaves what is behind to others', () => {
  const map = new BlockMap(4 * BLOCK, BLOCK)
  const readers = new Readers()
  const reader = readers.add(0, 4 * BLOCK)
  reader.offset = 3 * BLOCK
  expect(urgent(readers, map)).toEqual({ first: 3, end: 4 })
  reader.offset = 4 * BLOCK
  expect(urgent(readers, map)).toBeUndefined()
})
