import { expect, test } from 'vitest'
import { openToken, parseListParameters, parseNameToken, sealToken } from './list-parameters.ts'
import { parseQuery } from './query.ts'

const parse = (query: string) => parseListParameters(parseQuery(query), 'max-keys')

test('what is not sent has the default', () => {
  expect(parse('')).toEqual({ prefix: '', delimiter: undefined, urlEncoded: false, pageMax: 1000 })
  expect(parse('delimiter=&prefix=&encoding-type=')).toEqual(parse(''))
})

test.each([
  ['0', 0],
  ['1', 1],
  ['1000', 1000],
  ['1001', 1000],
  ['2147483647', 1000],
])('max-keys=%s allows %i', (size, pageMax) => {
  expect(parse(`max-keys=${size}`).pageMax).toBe(pageMax)
})

test.each(['max-keys=abc', 'max-keys=-1', 'max-keys=', 'max-keys=1.5', 'encoding-type=xml'])(
  '%s is refused',
  (query) => {
    expect(() => parse(query)).toThrow()
  },
)

test('a delimiter is any text', () => {
  expect(parse(`delimiter=${'d'.repeat(30)}`).delimiter).toBe('d'.repeat(30))
  expect(parse('delimiter=%F0%9F%98%80').delimiter).toBe('😀')
})

test('a token comes back as it was', () => {
  for (const token of ['', 'a/b', 'ü😀\u0001', 'k'.repeat(1024)]) {
    expect(openToken(sealToken(token, 7), 7)).toBe(token)
  }
})

test('garbage, a changed token and a token of another bucket are refused', () => {
  const sealed = sealToken('key', 7)
  for (const bad of ['', 'garbage', '\xff', `${sealed}A`, `${sealed}=`, 'A'.repeat(5000)]) {
    expect(() => openToken(bad, 7)).toThrow('continuation token')
  }
  expect(() => openToken(sealed, 8)).toThrow('continuation token')
})

test('a token that is a name is taken as it stands, an empty one is none', () => {
  for (const name of ['a', 'my-bucket.x', 'Old_Name', 'b'.repeat(255)]) {
    expect(parseNameToken(name)).toBe(name)
  }
  expect(parseNameToken(undefined)).toBeUndefined()
  expect(parseNameToken('')).toBeUndefined()
  for (const bad of ['a/b', 'a b', 'ü', 'b'.repeat(256)]) {
    expect(() => parseNameToken(bad)).toThrow('continuation token')
  }
})
