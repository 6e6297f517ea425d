import { expect, test } from 'vitest'
import { Link, LinkedList } from './linked-list.ts'

function listOf(...values: readonly number[]) {
  const list = new LinkedList<number>()
  const links = values.map((value) => new Link(value))
  for (const link of links) list.add(link)
  return { list, links }
}

test('values stand in the order in which they were added', () => {
  const { list } = listOf(3, 1, 2)
  expect(list.values()).toEqual([3, 1, 2])
  expect([list.first, list.size]).toEqual([3, 3])
})

test.each([
  [0, [1, 2]],
  [1, [0, 2]],
  [2, [0, 1]],
])('the value at %s leaves, once, and the others stay', (at, left) => {
  const { list, links } = listOf(0, 1, 2)
  const [link] = links.slice(at)
  if (link === undefined) throw new Error('no such link')
  list.remove(link)
  list.remove(link)
  expect(list.values()).toEqual(left)
  expect([list.first, list.size]).toEqual([left[0], 2])
  list.add(link)
  list.add(link)
  expect(list.values()).toEqual([...left, at])
})

test('a list that all have left takes others', () => {
  const { list, links } = listOf(1)
  for (const link of links) list.remove(link)
  expect([list.first, list.size]).toEqual([undefined, 0])
  list.add(new Link(2))
  expect(list.values()).toEqual([2])
})

test('a link of a list that was cleared takes nothing out of it', () => {
  const { list, links } = listOf(1, 2)
  list.clear()
  expect(list.values()).toEqual([])
  list.add(new Link(3))
  for (const link of links) list.remove(link)
  expect([list.values(), list.size]).toEqual([[3], 1])
})
