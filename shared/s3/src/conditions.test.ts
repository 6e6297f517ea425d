import { expect, test } from 'vitest'
import {
  parseConditions,
  parseEntityTags,
  parseSourceConditions,
  parseWriteConditions,
  unquoteTag,
} from './conditions.ts'

test.each([
  ['"a"', ['a']],
  ['a', ['a']],
  ['"a", "b,c" ,d', ['a', 'b,c', 'd']],
  ['*', ['*']],
  ['"d41d-2"', ['d41d-2']],
  ['""', ['']],
  ['', []],
  ['W/"a", "b"', ['b']],
] as const)('If-Match %j names %j', (value, tags) => {
  expect(parseEntityTags(value)).toEqual(tags)
})

test('weak tags count where the comparison is weak', () => {
  expect(parseEntityTags('W/"a", W/b', 'weak')).toEqual(['a', 'b'])
})

test('a list of ten thousand commas is read in linear time', () => {
  expect(parseEntityTags(`${' ,'.repeat(10_000)}"a"`)).toContain('a')
})

test('conditions are absent unless they are sent', () => {
  expect(parseConditions({})).toEqual({})
})

test('dates that are none are ignored', () => {
  expect(
    parseConditions({
      'if-match': '"x"',
      'if-modified-since': 'Sun, 06 Nov 1994 08:49:37 GMT',
      'if-unmodified-since': 'never',
    }),
  ).toEqual({
    ifMatch: ['x'],
    ifNoneMatch: undefined,
    ifModifiedSinceMs: 784_111_777_000,
    ifUnmodifiedSinceMs: undefined,
  })
})

test('the conditions on a source are apart from those on the object', () => {
  expect(
    parseSourceConditions({ 'x-amz-copy-source-if-match': 'a', 'if-match': 'b' }),
  ).toMatchObject({ ifMatch: ['a'] })
})

test.each([
  ['"a"', 'a'],
  [' a ', 'a'],
  ['"', '"'],
])('the tag %j is %j', (tag, bare) => {
  expect(unquoteTag(tag)).toBe(bare)
})

test('a write has If-Match with tags or If-None-Match: *, and every other condition is refused', () => {
  expect(parseWriteConditions({})).toEqual({})
  expect(parseWriteConditions({ 'if-match': '"a"' }).ifMatch).toEqual(['a'])
  expect(parseWriteConditions({ 'if-none-match': '*' }).ifNoneMatch).toEqual(['*'])
  const date = 'Sun, 06 Nov 1994 08:49:37 GMT'
  expect(parseWriteConditions({ 'if-modified-since': date })).toEqual({})
  for (const refused of [
    { 'if-match': 'a', 'if-none-match': '*' },
    { 'if-none-match': '"a"' },
    { 'if-none-match': '' },
    { 'if-unmodified-since': date },
  ]) {
    expect(() => parseWriteConditions(refused)).toThrow()
  }
})
