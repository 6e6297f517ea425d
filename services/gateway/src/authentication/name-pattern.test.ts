import fc from 'fast-check'
import { expect, test } from 'vitest'
import { matchNames } from './name-pattern.ts'

test.each([
  ['*', 'anything', true],
  ['team-*', 'team-a', true],
  ['team-*', 'team-', true],
  ['team-*', 'teams', false],
  ['*-logs', 'a-logs-logs', true],
  ['a?c', 'abc', true],
  ['a?c', 'ac', false],
  ['a.c', 'abc', false],
  ['exact', 'exact', true],
  ['exact', 'exact2', false],
  ['', '', true],
  ['', 'a', false],
  ['a*b*c', 'a-b-b-c', true],
])('the pattern %j and the name %j: %s', (pattern, name, matches) => {
  expect(matchNames([pattern])(name)).toBe(matches)
})

test('no pattern matches nothing', () => {
  expect(matchNames([])('a')).toBe(false)
})

test('a pattern means what the same regular expression means', () => {
  const letters = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 })
  const names = fc.string({ unit: fc.constantFrom('a', 'b', 'c'), maxLength: 8 })
  fc.assert(
    fc.property(letters, names, (pattern, name) => {
      const regexp = new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('?', '.')}$`)
      expect(matchNames([pattern])(name)).toBe(regexp.test(name))
    }),
  )
})
