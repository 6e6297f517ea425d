import { expect, test } from 'vitest'
import { IdSource, isNodeId, newNodeId, newRequestId } from './ids.ts'

test('a request id has 16 characters of base 32, upper case', () => {
  for (let at = 0; at < 1000; at++) expect(newRequestId()).toMatch(/^[0-9A-HJKMNP-TV-Z]{16}$/)
})

test('request ids do not repeat, also across refills of the random pool', () => {
  const ids = new Set(Array.from({ length: 100_000 }, () => newRequestId()))
  expect(ids.size).toBe(100_000)
})

test('every bit of a random word that an id uses changes the id', () => {
  const idOf = (word: number): string => new IdSource((words) => words.fill(word)).requestId()
  const ids = new Set(Array.from({ length: 1024 }, (_, word) => idOf(word)))
  expect(ids.size).toBe(1024)
})

test('a node id is told from other text', () => {
  expect(isNodeId(newNodeId())).toBe(true)
  expect(isNodeId('')).toBe(false)
  expect(isNodeId('ILOUILOUILOU')).toBe(false)
  expect(isNodeId(newRequestId())).toBe(false)
})
