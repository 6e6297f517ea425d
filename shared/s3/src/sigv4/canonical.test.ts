import { isFailure } from '@forebay/base/failure'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  canonicalHeaderValue,
  canonicalQuery,
  encodeComponent,
  encodePath,
  fullyEncodedPath,
  parseQuery,
  splitTarget,
} from './canonical.ts'

const canonical = (query: string): string => canonicalQuery(parseQuery(query))

test('parameters are sorted by name and then by value, not as joined text', () => {
  expect(canonical('a-b=1&a=2&a=1')).toBe('a=1&a=2&a-b=1')
})

test('a parameter without a value is signed with an empty one', () => {
  expect(canonical('uploads')).toBe('uploads=')
})

test('characters that may be encoded are encoded, and escapes of others decoded', () => {
  expect(canonical('prefix=a/b:c*d&marker=%7Ex%2D')).toBe('marker=~x-&prefix=a%2Fb%3Ac%2Ad')
})

test('the second equals sign belongs to the value', () => {
  expect(canonical('a=b=c')).toBe('a=b%3Dc')
})

test('a plus in a query is a space', () => {
  expect(canonical('prefix=a+b')).toBe(canonical('prefix=a%20b'))
})

test('an escape in lower-case hexadecimal is signed as it stands', () => {
  expect(canonical('prefix=a%2fb%7e')).toBe('prefix=a%2fb%7e')
})

test('bytes that are not ASCII are encoded one by one', () => {
  expect(canonical(`prefix=${Buffer.from('é').toString('latin1')}`)).toBe('prefix=%C3%A9')
})

test('an empty segment counts as a parameter, so an ampersand cannot be slipped in', () => {
  expect(canonical('uploads&')).not.toBe(canonical('uploads='))
})

test('the signature does not sign itself', () => {
  expect(canonical('X-Amz-Signature=ab&x=1')).toBe('x=1')
})

test.each(['a=%', 'a=%4', 'a=%zz', '%=1', 'a=\u0100'])('the query %j is refused', (query) => {
  expect(() => parseQuery(query)).toThrow(expect.objectContaining({ code: 'uri-invalid' }))
})

test('a query is what follows the first question mark', () => {
  expect(splitTarget('/b/k?a=?')).toEqual({ path: '/b/k', query: 'a=?' })
  expect(splitTarget('/b/k')).toEqual({ path: '/b/k', query: '' })
})

test('a path is encoded but for unreserved characters, slashes and escapes', () => {
  expect(fullyEncodedPath('/b/year=2020/a:b+c%2F~')).toBe('/b/year%3D2020/a%3Ab%2Bc%2F~')
})

test('a path that needs no encoding has no other form', () => {
  expect(fullyEncodedPath('/b/a%3Db')).toBeUndefined()
})

test('paths of one length that differ never meet, in the raw or in the encoded form', () => {
  const path = fc.string({ unit: fc.constantFrom('/', 'a', '=', '%', '3', 'D', '2', 'F') })
  const pair = fc.tuple(path, path).filter(([one, other]) => one.length === other.length)
  fc.assert(
    fc.property(pair, ([one, other]) => {
      fc.pre(one !== other)
      const forms = [one, fullyEncodedPath(one)]
      expect(forms).not.toContain(other)
      const encoded = fullyEncodedPath(other)
      if (encoded !== undefined) expect(forms).not.toContain(encoded)
    }),
    { numRuns: 5000 },
  )
})

test('a header value is trimmed and inner runs of spaces become one', () => {
  expect(canonicalHeaderValue(' \ta  b   c\td ')).toBe('a b c\td')
  expect(canonicalHeaderValue('plain')).toBe('plain')
  expect(canonicalHeaderValue('')).toBe('')
})

test('no byte but space and tab is trimmed', () => {
  expect(canonicalHeaderValue(' \u00a0a ')).toBe('\u00a0a')
})

test('what the encoders make is canonical and decodes to what went in', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (text) => {
      const encoded = encodeComponent(text)
      expect(canonical(`a=${encoded}`)).toBe(`a=${encoded}`)
      expect(decodeURIComponent(encoded)).toBe(text)
      expect(fullyEncodedPath(encodePath(text))).toBeUndefined()
    }),
  )
  expect(encodePath("a/b!'()*c")).toBe('a/b%21%27%28%29%2Ac')
})

test('any bytes are a canonical query or refused as one', () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      try {
        const text = canonical(Buffer.from(bytes).toString('latin1'))
        expect(canonical(text)).toBe(text)
      } catch (error) {
        expect(isFailure(error, 'uri-invalid')).toBe(true)
      }
    }),
  )
})
