import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PrefixRules } from './prefix-rules.ts'

const rulesOf = (...prefixes: readonly string[]) =>
  new PrefixRules(prefixes.map((prefix) => ({ prefix })))

test('the longest prefix of a key holds', () => {
  const rules = rulesOf('', 'a/', 'a/b/', 'c')
  expect(['a/b/x', 'a/b', 'a', 'c', 'cd', 'z'].map((key) => rules.find(key)?.prefix)).toEqual([
    'a/b/',
    'a/',
    '',
    'c',
    'c',
    '',
  ])
})

test('without a rule for the key there is none', () => {
  expect(rulesOf('a/').find('b')).toBeUndefined()
  expect(rulesOf().find('b')).toBeUndefined()
  expect([rulesOf().isEmpty, rulesOf('').isEmpty]).toEqual([true, false])
})

test('a rule that is not accepted makes way for the next shorter one', () => {
  const rules = rulesOf('a', 'ab', 'abc')
  expect(rules.find('abcd', ({ prefix }) => prefix.length < 3)?.prefix).toBe('ab')
})

test('the rule found is the one that looking at each finds', () => {
  const word = fc.string({ unit: fc.constantFrom('a', 'b', '/', 'é'), maxLength: 5 })
  fc.assert(
    fc.property(fc.uniqueArray(word, { maxLength: 12 }), word, (prefixes, key) => {
      const expected = prefixes
        .filter((prefix) => key.startsWith(prefix))
        .sort((a, b) => b.length - a.length)[0]
      expect(rulesOf(...prefixes).find(key)?.prefix).toBe(expected)
    }),
  )
})
