import { fstatSync, ftruncateSync } from 'node:fs'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Residency } from './residency.ts'
import { RESIDENCY_NOTED_BYTES_MAX, RESIDENCY_NOTED_MS } from './send-limits.ts'
import { Files, patterned } from './testing/body-server.ts'

const PAGE_BYTES = 4096

let files: Files
let nowMs: number
let residency: Residency

beforeEach(() => {
  files = new Files()
  nowMs = 0
  residency = new Residency(() => nowMs)
})
afterEach(() => files.close())

/** Takes all pages of a file out of memory. */
function chill(fd: number): void {
  const { size } = fstatSync(fd)
  ftruncateSync(fd, 0)
  ftruncateSync(fd, size)
}

test('what was in memory is taken to be there for a moment, and then asked for again', () => {
  const fd = files.with(patterned(2 * PAGE_BYTES))
  expect(residency.has(fd, 0, 2 * PAGE_BYTES)).toBe(true)
  chill(fd)
  nowMs = RESIDENCY_NOTED_MS - 1
  expect(residency.has(fd, 0, 2 * PAGE_BYTES)).toBe(true)
  expect(residency.has(fd, PAGE_BYTES, PAGE_BYTES)).toBe(true)
  nowMs = RESIDENCY_NOTED_MS
  expect(residency.has(fd, 0, 2 * PAGE_BYTES)).toBe(false)
})

test('nothing is believed of bytes outside the range that was asked for', () => {
  const fd = files.with(patterned(4 * PAGE_BYTES))
  expect(residency.has(fd, PAGE_BYTES, PAGE_BYTES)).toBe(true)
  chill(fd)
  expect(residency.has(fd, PAGE_BYTES - 1, PAGE_BYTES)).toBe(false)
  expect(residency.has(fd, PAGE_BYTES, PAGE_BYTES + 1)).toBe(false)
  expect(residency.has(fd, PAGE_BYTES, PAGE_BYTES)).toBe(true)
})

test('what was not in memory, and what is large, is asked for every time', () => {
  const cold = files.cold(PAGE_BYTES)
  expect(residency.has(cold, 0, PAGE_BYTES)).toBe(false)
  expect(residency.has(cold, 0, PAGE_BYTES)).toBe(false)
  const bytes = patterned(RESIDENCY_NOTED_BYTES_MAX + 1)
  const small = files.with(bytes)
  const large = files.with(bytes)
  expect(residency.has(small, 0, RESIDENCY_NOTED_BYTES_MAX)).toBe(true)
  expect(residency.has(large, 0, RESIDENCY_NOTED_BYTES_MAX + 1)).toBe(true)
  chill(small)
  chill(large)
  expect(residency.has(small, 0, RESIDENCY_NOTED_BYTES_MAX)).toBe(true)
  expect(residency.has(large, 0, RESIDENCY_NOTED_BYTES_MAX + 1)).toBe(false)
})

test('files of one place in the table do not answer for each other', () => {
  const fd = files.with(patterned(PAGE_BYTES))
  expect(residency.has(fd, 0, PAGE_BYTES)).toBe(true)
  // Not open: nobody can say, which is not yes.
  expect(residency.has(fd + 8192, 0, PAGE_BYTES)).toBeUndefined()
})
