import { expect, test } from 'vitest'
import { editDistance, nearest } from './nearest.ts'

test.each([
  ['', '', 0],
  ['a', '', 1],
  ['', 'ab', 2],
  ['region', 'region', 0],
  ['regoin', 'region', 1],
  ['regon', 'region', 1],
  ['regixn', 'region', 1],
  ['kitten', 'sitting', 3],
])('%j and %j are %d edits apart, both ways', (a, b, distance) => {
  expect(editDistance(a, b)).toBe(distance)
  expect(editDistance(b, a)).toBe(distance)
})

const KEYS = ['s3.region', 'http.idleTimeout', 'log.level']

test.each([
  ['s3.regoin', 's3.region'],
  ['S3.REGION', 's3.region'],
  ['idletimeout', 'http.idleTimeout'],
  ['loglevel', 'log.level'],
])('%s most likely means %s', (word, key) => {
  expect(nearest(word, KEYS)).toBe(key)
})

test('a word like none of them means none', () => {
  expect(nearest('completely.different.word', KEYS)).toBeUndefined()
  expect(nearest('x', [])).toBeUndefined()
})

test('a very long word is compared quickly', () => {
  expect(nearest('x'.repeat(1_000_000), KEYS)).toBeUndefined()
})
