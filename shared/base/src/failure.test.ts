import { expect, test } from 'vitest'
import { CATALOGUE, Failure, isFailure } from './failure.ts'

test('a failure carries code, status, retryability, cause and hint', () => {
  const cause = new Error('ECONNRESET')
  const failure = new Failure('backend-unreachable', 'bucket b did not answer', {
    cause,
    hint: 'Check the endpoint.',
    retryAfterSeconds: 1,
  })
  expect(failure).toMatchObject({
    code: 'backend-unreachable',
    status: 502,
    retryable: true,
    message: 'bucket b did not answer',
    cause,
    hint: 'Check the endpoint.',
    retryAfterSeconds: 1,
    facts: {},
  })
})

test('a failure is told from other errors and by its codes', () => {
  const failure = new Failure('object-not-found', 'no')
  expect(isFailure(failure)).toBe(true)
  expect(isFailure(failure, 'object-not-found', 'object-busy')).toBe(true)
  expect(isFailure(failure, 'object-busy')).toBe(false)
  expect(isFailure(new Error('no'))).toBe(false)
  expect(isFailure({ code: 'object-not-found' })).toBe(false)
  expect(isFailure(undefined)).toBe(false)
})

test.each(Object.entries(CATALOGUE))('%s can be rendered by both doors', (code, entry) => {
  // S3 has a word for each but one, in whose place it repeats the status.
  expect(entry.s3).toMatch(code === 'key-not-portable' ? /^400$/ : /^[A-Z][A-Za-z0-9]+$/)
  expect(entry.type).toMatch(/^Err[A-Z][A-Za-z]+$/)
  expect(entry.status === 304 || (entry.status >= 400 && entry.status <= 599)).toBe(true)
})

test('what a caller must change is never called retryable', () => {
  const clientErrors = Object.entries(CATALOGUE).filter(
    ([, { status, retry }]) => retry && status >= 400 && status < 500,
  )
  // A conflict, a time-out or too many of something passes by itself; no other 4xx does.
  expect(clientErrors.map(([code]) => code).sort()).toEqual([
    'conditional-conflict',
    'jobs-too-many',
    'object-busy',
    'request-timeout',
  ])
})

test.each([
  [new Failure('slow-down', 'x', { retryAfterSeconds: 2.1 }), 3],
  [new Failure('backend-unreachable', 'x'), 1],
  [new Failure('backend-timeout', 'x'), 1],
  [new Failure('not-implemented', 'x'), undefined],
  [new Failure('object-busy', 'x'), undefined],
])('%s: a server that fails for the moment says when to come again', (failure, seconds) => {
  expect(failure.waitSeconds).toBe(seconds)
})
