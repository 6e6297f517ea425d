import { resolveProperties } from '@forebay/model/bucket-properties'
import { expect, test } from 'vitest'
import { ageSeconds, freshForMs, mayServeStale } from './freshness.ts'

const backend = { provider: 'memory', bucket: 'b' } as const
const after = resolveProperties(backend, {
  revalidate: { kind: 'after', ttlMs: 1000 },
  staleIfErrorMs: 500,
})
const always = resolveProperties(backend, { revalidate: { kind: 'always' } })
const never = resolveProperties(backend, { revalidate: { kind: 'never' } })

test('an object is fresh for the rest of its ttl and stale at its end', () => {
  expect(freshForMs({ validatedMs: 5000 }, after, 5999)).toBe(1)
  expect(freshForMs({ validatedMs: 5000 }, after, 6000)).toBe(0)
})

test('always is never fresh and never is always fresh', () => {
  expect(freshForMs({ validatedMs: 5000 }, always, 5000)).toBe(0)
  expect(freshForMs({ validatedMs: 5000 }, never, 9e15)).toBe(Number.POSITIVE_INFINITY)
})

test('what was never confirmed is stale even under never', () => {
  expect(freshForMs({ validatedMs: 0 }, never, 5000)).toBe(0)
})

test('a confirmation from the future counts for nothing', () => {
  expect(freshForMs({ validatedMs: 5001 }, after, 5000)).toBe(0)
  expect(ageSeconds({ validatedMs: 5001 }, 5000)).toBe(0)
})

test('a stale object stands in until stale_if_error has passed since it went stale', () => {
  expect(mayServeStale({ validatedMs: 5000 }, after, 6499)).toBe(true)
  expect(mayServeStale({ validatedMs: 5000 }, after, 6500)).toBe(false)
  expect(mayServeStale({ validatedMs: 5000 }, always, 5001)).toBe(false)
  expect(mayServeStale({ validatedMs: 0 }, after, 5001)).toBe(false)
})
