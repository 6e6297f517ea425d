import { expect, test } from 'vitest'
import { matchesGlob } from './download-glob.ts'

test.each([
  ['*.tar', 'a.tar', true],
  ['*.tar', 'deep/down/a.tar', true],
  ['*.tar', 'a.tar.gz', false],
  ['a?c', 'x/abc', true],
  ['a?c', 'ac', false],
  ['train/*', 'train/a', true],
  ['train/*', 'train/a/b', false],
  ['train/**', 'train/a/b', true],
  ['train/**', 'other/train/a', false],
  ['**/a', 'a', true],
  ['**/a', 'x/y/a', true],
  ['**/a', 'xa', false],
  ['x/**/a', 'x/a', true],
  ['x/**/a', 'x/y/z/a', true],
  ['x/**/a', 'x/ya', false],
  ['/top', 'top', true],
  ['/top', 'x/top', false],
  ['?', '😀', true],
  ['a.c', 'abc', false],
])('%j of %j: %j', (pattern, path, expected) => {
  expect(matchesGlob(pattern, path)).toBe(expected)
})

test('a pattern made to be slow is as fast as another', () => {
  // Tried one way after the other it would not end: 2^200 ways.
  expect(matchesGlob('*a'.repeat(200), `${'a'.repeat(500)}b`)).toBe(false)
})
