import { Failure } from '@forebay/base/failure'
import { expect, test } from 'vitest'
import { PAGE_ITEMS_MAX } from './engine.ts'
import type { JobPage, PageOutcome } from './job.ts'
import {
  CURSOR_LENGTH_MAX,
  checkedOutcome,
  checkListed,
  failRest,
  NOTHING_SETTLED,
  RETRY_PAUSE_MAX_MS,
  reasonOf,
  retryPauseMs,
} from './outcome.ts'

const page: JobPage = {
  jobId: 'job',
  number: 0,
  attempt: 1,
  owner: 'node',
  items: ['a', 'b', 'c'].map((key) => ({ key })),
}

const failed = (key: string): PageOutcome['failures'][number] => ({
  key,
  code: 'object-busy',
  message: 'busy',
  item: { key },
})

test('failures of an outcome are put in the order of the items', () => {
  const outcome = { ...NOTHING_SETTLED, settled: [0, 2], failures: [failed('c'), failed('a')] }
  expect(checkedOutcome(page, outcome).failures.map(({ key }) => key)).toEqual(['a', 'c'])
})

test.each<[string, Partial<PageOutcome>]>([
  ['a position outside of the page', { settled: [3], done: 1 }],
  ['a position that is none', { settled: [0.5], done: 1 }],
  ['a position twice', { settled: [1, 1], done: 2 }],
  ['positions out of order', { settled: [1, 0], done: 2 }],
  ['a count too many', { settled: [0], done: 2 }],
  ['a count too few', { settled: [0], done: 0 }],
  ['a count below nothing', { settled: [0], done: 2, skipped: -1 }],
  ['bytes that are no number', { settled: [0], done: 1, bytes: Number.NaN }],
  ['a failure of another page', { settled: [0], failures: [failed('x')] }],
  ['a failure twice', { settled: [0, 1], failures: [failed('a'), failed('a')] }],
])('an outcome with %s is refused', (_what, wrong) => {
  expect(() => checkedOutcome(page, { ...NOTHING_SETTLED, ...wrong })).toThrow(
    expect.objectContaining({ code: 'internal' }),
  )
})

test('what is left of a page fails with the reason, and what was settled stays', () => {
  const before = { ...NOTHING_SETTLED, settled: [1], done: 1, bytes: 7 }
  const outcome = failRest(page, before, new Failure('backend-timeout', 'slow'))
  expect(outcome).toMatchObject({ settled: [0, 1, 2], done: 1, bytes: 7 })
  expect(outcome.failures.map(({ key, code, message }) => [key, code, message])).toEqual([
    ['a', 'backend-timeout', 'slow'],
    ['c', 'backend-timeout', 'slow'],
  ])
})

test('the text of an unexpected error is told to nobody', () => {
  expect(reasonOf(new Error('secret')).message).not.toContain('secret')
  expect(reasonOf('secret')).toMatchObject({ code: 'internal' })
})

test('pauses double up to their limit, and are at least what was asked for', () => {
  expect([1, 2, 3, 4].map((times) => retryPauseMs(times, undefined))).toEqual([
    1000, 2000, 4000, 8000,
  ])
  expect(retryPauseMs(1000, undefined)).toBe(RETRY_PAUSE_MAX_MS)
  const asked = new Failure('slow-down', 'later', { retryAfterSeconds: 12 })
  expect([retryPauseMs(1, asked), retryPauseMs(5, asked)]).toEqual([12_000, 16_000])
})

test('a step of a list has its limits', () => {
  const items = (count: number): JobPage['items'] =>
    Array.from({ length: count }, (_, at) => ({ key: `k${at}` }))
  const half = PAGE_ITEMS_MAX / 2
  const step = (first: number, cursor: string) => ({
    pages: [first, half].map((count) => ({ owner: 'node', items: items(count) })),
    cursor,
  })
  const longest = 'c'.repeat(CURSOR_LENGTH_MAX)
  expect(() => checkListed(step(half, longest))).not.toThrow()
  expect(() => checkListed(step(half + 1, ''))).toThrow(/1001 items/)
  expect(() => checkListed(step(half, `${longest}c`))).toThrow(/too long/)
})
