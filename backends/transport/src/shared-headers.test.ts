import type { StoredHeaders } from '@forebay/model/object'
import { expect, test } from 'vitest'
import { SharedHeaders } from './shared-headers.ts'

test('headers that say the same are one value, which nobody can change', () => {
  const shared = new SharedHeaders()
  const first = shared.share({ contentType: 'text/plain', expires: undefined })
  expect(shared.share({ contentType: 'text/plain' })).toBe(first)
  expect(Object.isFrozen(first)).toBe(true)
})

const EVERY: Required<StoredHeaders> = {
  contentType: 'text/plain',
  contentEncoding: 'gzip',
  contentLanguage: 'en',
  contentDisposition: 'inline',
  cacheControl: 'no-cache',
  expires: '0',
  websiteRedirect: '/elsewhere',
}

test.each(Object.keys(EVERY))('headers with another %s are another value', (name) => {
  const shared = new SharedHeaders()
  shared.share({ ...EVERY })
  expect(shared.share({ ...EVERY, [name]: 'other' })).toEqual({ ...EVERY, [name]: 'other' })
  expect(shared.share({ ...EVERY, [name]: undefined })).toEqual({ ...EVERY, [name]: undefined })
  expect(shared.share({ ...EVERY })).toEqual(EVERY)
})
