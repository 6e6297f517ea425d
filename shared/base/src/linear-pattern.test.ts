import { expect, test } from 'vitest'
import { compilePattern, PATTERN_LENGTH_MAX } from './linear-pattern.ts'

const TEXTS = [
  '',
  'a',
  'b',
  'ab',
  'aab',
  'abc',
  'train/0001.jpg',
  'train/0002.cls',
  'x.tar.gz',
  'A_9-',
  'é',
  'a]b',
  'line\nbreak',
  '2024-01-31',
]

test.each([
  'a',
  '^a',
  'a$',
  '^$',
  'a|bc',
  '(a|b)*c',
  'a+b?',
  'a{2}',
  'a{1,2}b',
  'a{2,}',
  '(?:ab)+',
  '\\.(jpg|cls)$',
  '[0-9]{4}',
  '[^a-z/]',
  '[]a]b',
  '[\\w.-]+$',
  '\\d\\D',
  '\\s',
  '^\\S+$',
  '.+b',
  'a.*?b',
  '^(a*)*$',
  '(|a)b',
  '[a-]',
  'é',
  '\\W',
])('%s finds what the language finds', (pattern) => {
  // In the language a "]" right after "[" ends an empty set; in RE2 it is a member.
  const same = new RegExp(pattern.replace('[]', '[\\]'), 'u')
  const compiled = compilePattern(pattern)
  for (const text of TEXTS) expect([text, compiled.test(text)]).toEqual([text, same.test(text)])
})

test.each([
  '(',
  ')',
  'a**',
  '*',
  '[',
  '[a',
  '\\',
  '\\b',
  '(?i)a',
  '(?=a)',
  'a{',
  'a{2,1}',
  '[z-a]',
])('%s is refused', (pattern) => {
  expect(() => compilePattern(pattern)).toThrow(/the regular expression is refused/)
})

test('a pattern that doubles at each character of a text is matched all the same', () => {
  const name = `${'a'.repeat(1000)}!`
  expect(compilePattern('(a+)+$').test(name)).toBe(false)
  expect(compilePattern('(a|aa)+$').test(name)).toBe(false)
  expect(compilePattern('(a+)+!$').test(name)).toBe(true)
})

test('a pattern is bounded in its length, and in what it becomes', () => {
  expect(compilePattern('a'.repeat(PATTERN_LENGTH_MAX)).test('b')).toBe(false)
  expect(() => compilePattern('a'.repeat(PATTERN_LENGTH_MAX + 1))).toThrow(/longer than 256/)
  expect(() => compilePattern('((a{100}){100}){100}')).toThrow(/repeats too much/)
})
