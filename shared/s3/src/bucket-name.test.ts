import { expect, test } from 'vitest'
import { checkNewBucketName } from './bucket-name.ts'

test.each(['abc', 'a.b', 'a-b', 'a--b', '1.2.3', '1234', 'a'.repeat(63), 'x.metrics', 'v1x'])(
  '%s can name a bucket',
  (name) => {
    expect(checkNewBucketName(name)).toBe(name)
  },
)

test.each([
  '',
  'ab',
  'a'.repeat(64),
  'UPPER',
  'a_b',
  'a/b',
  '..',
  '-ab',
  'ab-',
  '.ab',
  'ab.',
  'a..b',
  'a.-b',
  'a-.b',
  'äbc',
  'a b',
  '192.168.5.4',
  'xn--abc',
  'sthree-abc',
  'amzn-s3-demo-x',
  'abc-s3alias',
  'abc--ol-s3',
  'abc.mrap',
  'abc--x-s3',
  'metrics',
  'ais',
  'azure',
])('%j cannot', (name) => {
  expect(() => checkNewBucketName(name)).toThrow('cannot name a bucket')
})
