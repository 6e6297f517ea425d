import { expect, test } from 'vitest'
import { parseMemberFilter } from './member-filter.ts'

const going = new AbortController().signal

test.each([
  ['prefix', 'a/', ['a/b.jpg']],
  ['suffix', '.jpg', ['a/b.jpg', 'b.jpg']],
  ['substr', 'b.c', ['b.cls']],
  ['wdskey', 'b', ['b.jpg', 'b.cls']],
  ['regexp', '^b\\.', ['b.jpg', 'b.cls']],
  ['regexp', '*', ['a/b.jpg', 'b.jpg', 'b.cls']],
] as const)('%s %s means the names that it says', async (mode, text, names) => {
  const filter = parseMemberFilter(mode, text)
  const wanted: string[] = []
  for (const name of ['a/b.jpg', 'b.jpg', 'b.cls']) {
    if (await filter.wants(name, going)) wanted.push(name)
  }
  expect(wanted).toEqual(names)
})

test('names that cost much to compare leave others their turns, and end with the signal', async () => {
  const filter = parseMemberFilter('regexp', '[ab]{900}c')
  let turns = 0
  const count = (): void => {
    turns += 1
    counting = setImmediate(count)
  }
  let counting = setImmediate(count)
  try {
    for (let at = 0; at < 20; at++) await filter.wants('a'.repeat(1000), going)
  } finally {
    clearImmediate(counting)
  }
  expect(turns).toBeGreaterThan(0)
  await expect(filter.wants('a'.repeat(1000), AbortSignal.abort('left'))).rejects.toBe('left')
})
