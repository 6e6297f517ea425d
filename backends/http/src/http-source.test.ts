import { describe, expect, test } from 'vitest'
import { decodeName, parseHttpSource, urlOfKey } from './http-source.ts'

const INVALID = expect.objectContaining({ code: 'argument-invalid' })

describe('the URL of a source', () => {
  test('with a slash at its end is a directory', () => {
    const source = parseHttpSource('https://Host.example/Data%20sets/')
    expect(source).toMatchObject({ kind: 'directory' })
    expect(source.url.href).toBe('https://host.example/Data%20sets/')
    expect(parseHttpSource('http://host').kind).toBe('directory')
  })

  test('without one is an object, whose key is the decoded last component', () => {
    const source = parseHttpSource('https://host/a/b%20c%C3%A9.csv?signature=1')
    expect(source).toMatchObject({ kind: 'object', key: 'b cé.csv' })
    expect(source.url.search).toBe('?signature=1')
  })

  test.each([
    'file:///etc/passwd',
    'ftp://host/dir/',
    'gopher://host/',
    'data:text/plain,x',
    'jar:http://host/!/',
    'http:host/dir/',
    'http:///dir/',
    'host/dir/',
    '//host/dir/',
    '',
    'http://user@host/dir/',
    'http://user:pass@host/dir/',
    'http://allowed#@evil/dir/',
    'http://host/dir/#',
    'http://allowed\\@evil/dir/',
    'http://host/dir/?x=1',
    'http://host/dir/?',
    'http://host/a b/',
    'http://host/a\r\nHost: evil/',
    'http://host/\u0000/',
    'http://[::1/',
    'http://host:99999/',
    'http://host/bad%ff',
    'http://host/a%2Fb',
    `http://host/${'x'.repeat(8192)}/`,
  ])('that is "%s" is refused', (text) => {
    expect(() => parseHttpSource(text)).toThrow(INVALID)
  })

  test('with escapes of line ends in its path stays one line', () => {
    const source = parseHttpSource('http://host/a%0d%0aHost:%20evil/')
    expect(source.url.pathname).toBe('/a%0d%0aHost:%20evil/')
  })
})

describe('a key', () => {
  const directory = parseHttpSource('http://host/base/')

  test.each([
    ['a/b', '/base/a/b'],
    ['a b+c', '/base/a%20b%2Bc'],
    ['a%2Fb', '/base/a%252Fb'],
    ['a?b#c', '/base/a%3Fb%23c'],
    ['é\u{1f600}', '/base/%C3%A9%F0%9F%98%80'],
    ['%2e%2e/x', '/base/%252e%252e/x'],
    ['...', '/base/...'],
    ['/etc/passwd', '/base//etc/passwd'],
    ['//evil/x', '/base///evil/x'],
    ['http://evil/x', '/base/http%3A//evil/x'],
  ])('"%s" lies at %s', (key, path) => {
    const url = urlOfKey(directory, key)
    expect(url?.host).toBe('host')
    expect(url?.pathname).toBe(path)
  })

  test.each(['..', '../x', 'a/../../x', 'a/..', '.', './x', 'a\\..\\b', '..\\x'])(
    '"%s" would lead out of the directory and is refused',
    (key) => {
      expect(() => urlOfKey(directory, key)).toThrow(
        expect.objectContaining({ code: 'key-invalid' }),
      )
    },
  )

  test('of a directory, or beside a single object, is no object', () => {
    expect(urlOfKey(directory, 'a/')).toBeUndefined()
    const one = parseHttpSource('http://host/base/one?token=1')
    expect(urlOfKey(one, 'two')).toBeUndefined()
    expect(urlOfKey(one, 'one')?.href).toBe('http://host/base/one?token=1')
  })
})

test.each(['', '.', '..', 'a%2Fb', 'a%5Cb', '%00', '%ff', '%', 'a'.repeat(1025)])(
  'a component "%s" of a path is no name',
  (encoded) => {
    expect(decodeName(encoded)).toBeUndefined()
  },
)
