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
const event = resolveProperties(backend, {
  revalidate: { kind: 'event', ttlMs: 1000 },
  staleIfErrorMs: 500,
})

/** Told of all changes since 4000. */
const at = (nowMs: number) => ({ nowMs, toldSinceMs: 4000 })

test('an object is fresh for the rest of its ttl and stale at its end', () => {
  expect(freshForMs({ validatedMs: 5000 }, after, at(5999))).toBe(1)
  expect(freshForMs({ validatedMs: 5000 }, after, at(6000))).toBe(0)
})

test('always is never fresh and never is always fresh', () => {
  expect(freshForMs({ validatedMs: 5000 }, always, at(5000))).toBe(0)
  expect(freshForMs({ validatedMs: 5000 }, never, at(9e15))).toBe(Number.POSITIVE_INFINITY)
})

test('what was never confirmed is stale even under never', () => {
  expect(freshForMs({ validatedMs: 0 }, never, at(5000))).toBe(0)
})

test('a confirmation from the future counts for nothing', () => {
  expect(freshForMs({ validatedMs: 5001 }, after, at(5000))).toBe(0)
  expect(freshForMs({ validatedMs: 5001 }, event, at(5000))).toBe(0)
  expect(ageSeconds({ validatedMs: 5001 }, 5000)).toBe(0)
})

test('by events an object is fresh while the node is told of changes, and no longer than its ttl', () => {
  expect(freshForMs({ validatedMs: 4001 }, event, at(5000))).toBe(1)
  expect(freshForMs({ validatedMs: 4001 }, event, at(5001))).toBe(0)
  expect(freshForMs({ validatedMs: 4000 }, event, at(4500))).toBe(0)
})

test('a stale object stands in until stale_if_error has passed since it went stale', () => {
  expect(mayServeStale({ validatedMs: 5000 }, after, at(6499))).toBe(true)
  expect(mayServeStale({ validatedMs: 5000 }, after, at(6500))).toBe(false)
  expect(mayServeStale({ validatedMs: 5000 }, event, at(6499))).toBe(true)
  expect(mayServeStale({ validatedMs: 5000 }, event, at(6500))).toBe(false)
  expect(mayServeStale({ validatedMs: 5000 }, always, at(5001))).toBe(false)
})

test('what changed while nobody was told counts as stale since it was last confirmed', () => {
  expect(mayServeStale({ validatedMs: 4000 }, event, at(4499))).toBe(true)
  expect(mayServeStale({ validatedMs: 4000 }, event, at(4500))).toBe(false)
})

test('what an event or a listing named never stands in', () => {
  expect(mayServeStale({ validatedMs: 0 }, after, at(1))).toBe(false)
  expect(mayServeStale({ validatedMs: 0 }, event, at(1))).toBe(false)
})
