import { expect, test } from 'vitest'
import { describeBytes, makeBody } from './bodies.ts'
import { History } from './history.ts'

/** A history of one value, 'a' acknowledged from 10 to 20, and a read of `value` in a span. */
function read(history: History<string>, value: string | undefined, span = [30, 40]): string {
  const [startMs = 0, endMs = 0] = span
  return history.read({ startMs, endMs }, (each) => each === value).kind
}

function withWrite(value: string | undefined, startMs: number, endMs?: number): History<string> {
  const history = new History<string>('first')
  addWrite(history, { value, startMs, endMs })
  return history
}

function addWrite(
  history: History<string>,
  write: { value: string | undefined; startMs: number; endMs?: number | undefined },
): void {
  const begun = history.begin(write.value, write.startMs)
  if (write.endMs !== undefined) history.acknowledge(begun, write.endMs)
}

test('what was acknowledged before a read began must be read', () => {
  expect(read(withWrite('a', 10, 20), 'a')).toBe('allowed')
  expect(read(withWrite('a', 10, 20), 'first')).toBe('stale')
  expect(read(withWrite(undefined, 10, 20), undefined)).toBe('allowed')
  expect(read(withWrite(undefined, 10, 20), 'first')).toBe('stale')
})

test('a read beside a write may return either version', () => {
  for (const value of ['first', 'a']) {
    expect(read(withWrite('a', 10, 20), value, [15, 30])).toBe('allowed')
    expect(read(withWrite('a', 10), value)).toBe('allowed')
  }
  expect(read(withWrite('a', 10, 20), 'other')).toBe('unknown')
})

test('once a version was read, no later read returns the one before', () => {
  const history = withWrite('a', 10)
  expect(read(history, 'a')).toBe('allowed')
  expect(read(history, 'first', [41, 50])).toBe('stale')
})

test('a write without an answer may take effect later, but not after its process died', () => {
  const open = withWrite('a', 10)
  addWrite(open, { value: 'b', startMs: 50, endMs: 60 })
  expect(read(open, 'a', [70, 80])).toBe('allowed')
  const buried = withWrite('a', 10)
  buried.bury(40)
  addWrite(buried, { value: 'b', startMs: 50, endMs: 60 })
  expect(read(buried, 'a', [70, 80])).toBe('stale')
})

test('what a dead process may have written stands beside what it has replaced', () => {
  const history = withWrite('a', 10, 20)
  addWrite(history, { value: 'b', startMs: 30 })
  history.bury(40)
  for (const value of ['a', 'b']) {
    const copy = withWrite('a', 10, 20)
    addWrite(copy, { value: 'b', startMs: 30 })
    copy.bury(40)
    expect(read(copy, value, [50, 60])).toBe('allowed')
  }
  expect(read(history, 'first', [50, 60])).toBe('stale')
})

test('a body tells its version at every offset', () => {
  const one = { seed: 1, key: 'k', version: 1, sizeBytes: 100 }
  const other = { ...one, version: 2 }
  expect(makeBody(one)).toHaveLength(100)
  expect(makeBody({ ...one, sizeBytes: 0 })).toHaveLength(0)
  expect(makeBody(one).subarray(0, 50)).toEqual(makeBody({ ...one, sizeBytes: 50 }))
  const mixed = Buffer.concat([makeBody(one).subarray(0, 48), makeBody(other).subarray(48)])
  expect(describeBytes(mixed, [one, other])).toContain('version 1 (of 100 bytes) up to 48')
})
