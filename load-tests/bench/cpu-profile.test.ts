import { expect, test } from 'vitest'
import { microsecondsWithin } from './cpu-profile.ts'

const node = (id: number, functionName: string, children: readonly number[] = []) => ({
  id,
  callFrame: { functionName, url: `file:///src/${functionName}.ts` },
  children,
})
const profile = {
  nodes: [
    node(1, 'root', [2, 5]),
    node(2, 'verify', [3]),
    node(3, 'hash', [4]),
    node(4, 'verify'),
    node(5, 'hash'),
  ],
  samples: [1, 2, 3, 4, 5, 3],
  timeDeltas: [1, 10, 100, 1000, 10_000, 100_000],
}

test('what a function calls counts, recursion once, and callers and namesakes elsewhere do not', () => {
  expect(microsecondsWithin(profile, { name: 'verify', file: '/verify.ts' })).toBe(101_110)
  expect(microsecondsWithin(profile, { name: 'hash', file: '/hash.ts' })).toBe(111_100)
})

test('a function that the profile does not know is an error, not 0', () => {
  expect(() => microsecondsWithin(profile, { name: 'verify', file: '/other.ts' })).toThrow(
    /no verify/,
  )
})
