import { expect, test } from 'vitest'
import { parseAnonymousBytes } from './memory.ts'
import { formatNumber, formatSize, formatTable, median, parseSize, slope } from './statistics.ts'
import { createPace } from './throttle.ts'

test('the median of an even number of values is the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5)
  expect(median([1, 2, 4, 100])).toBe(3)
  expect(() => median([])).toThrow('nothing')
})

test('the slope of points on a line is that of the line', () => {
  const points = [0, 1, 2, 7].map((x) => ({ x, y: 3 - 2 * x }))
  expect(slope(points)).toBeCloseTo(-2, 12)
})

test('one point, or points above each other, have no slope', () => {
  expect(() => slope([{ x: 1, y: 1 }])).toThrow('two points')
  expect(() =>
    slope([
      { x: 1, y: 1 },
      { x: 1, y: 2 },
    ]),
  ).toThrow('different x')
})

test('sizes are read with and without a unit, and written with the largest that fits', () => {
  expect(['4096', '64k', '1M', '16 MiB', '1g', '3b'].map(parseSize)).toEqual([
    4096, 65_536, 1_048_576, 16_777_216, 1_073_741_824, 3,
  ])
  expect([4096, 65_536, 1_073_741_824, 1000].map(formatSize)).toEqual([
    '4 KiB',
    '64 KiB',
    '1 GiB',
    '1000 B',
  ])
})

test('a size that is none is refused by its text', () => {
  for (const text of ['', 'k', '-1k', '1.5m', '4 kilo']) {
    expect(() => parseSize(text)).toThrow(`"${text}" is no size`)
  }
})

test('numbers keep three digits', () => {
  expect([0, 0.01234, 1.005, 23.456, 1234.5].map(formatNumber)).toEqual([
    '0',
    '0.0123',
    '1.00',
    '23.5',
    '1235',
  ])
})

test('the columns of a table stand below each other', () => {
  expect(
    formatTable([
      ['a', 'b', 'c'],
      ['long', 'x', '10'],
    ]),
  ).toBe('a     b   c\nlong  x  10')
})

test('anonymous memory is read in bytes', () => {
  expect(parseAnonymousBytes('VmRSS:\t  9 kB\nRssAnon:\t   123456 kB\n')).toBe(126_418_944)
  expect(() => parseAnonymousBytes('VmRSS: 1 kB')).toThrow('RssAnon')
})

test('a limited connection pays for each piece and saves nothing up', () => {
  const pace = createPace(1000)
  expect(pace(100, 0)).toBe(100)
  expect(pace(100, 50)).toBe(150)
  expect(pace(100, 10_000)).toBe(100)
})
