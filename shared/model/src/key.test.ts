import { describe, expect, test } from 'vitest'
import { checkKey, checkPortableKey } from './key.ts'

const failsAs = (code: string) => expect.objectContaining({ code })

/** What the S3 API takes, and no file system holds under that name. */
const NO_PATHS = [
  ...['.', '..', './', '/.', '/', '//', '../', '/..', '../.', '/a', 'a//b', 'a//', 'a/./b', 'a/..'],
  ...['../../../etc/passwd', 'for/../../bar/', '/a/../../b/../../c/../../../etc/passwd'],
  ...['n'.repeat(256), `a/${'é'.repeat(128)}/b`],
]

const PATHS = ['a', 'a/b/c.txt', 'folder/', 'a/b/', '...', '.hidden', 'a..b/..c', ' ', '\\', '*']

describe('keys', () => {
  test.each([...NO_PATHS, ...PATHS])('%j is a key', (key) => {
    expect(checkKey(key)).toBe(key)
  })

  test.each(NO_PATHS)('%j is not portable', (key) => {
    expect(() => checkPortableKey(key)).toThrow(failsAs('key-not-portable'))
  })

  test.each([...PATHS, `a/${'n'.repeat(255)}/b`])('%j is portable', (key) => {
    expect(checkPortableKey(key)).toBe(key)
  })
})
