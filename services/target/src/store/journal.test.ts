import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { armFailpoints, failpointPassed } from '@forebay/base/failpoint'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Journal } from './journal.ts'
import type { JournalEntry } from './journal-format.ts'
import { scanSegment, segmentPath } from './journal-read.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'forebay-journal-'))
})
afterEach(() => {
  armFailpoints('')
  rmSync(directory, { recursive: true })
})

const mark = (sequence: number): JournalEntry => ({
  kind: 'unsettled',
  bucketId: 1,
  key: `key-${sequence}`,
  sequence,
})

function entriesOf(number: number): readonly JournalEntry[] {
  const entries: JournalEntry[] = []
  scanSegment({ number, path: segmentPath(directory, number) }, 0, (entry) => entries.push(entry))
  return entries
}

test.each([false, true])('entries of one turn share a write (sync: %s)', async (sync) => {
  const journal = await Journal.open(directory, 1)
  armFailpoints('journal:write=throw@99')
  const positions = await Promise.all([1, 2, 3].map((at) => journal.append(mark(at), sync)))
  expect(failpointPassed('journal:write')).toBe(1)
  expect(positions).toEqual(positions.toSorted((one, other) => one - other))
  await journal.close()
  expect(entriesOf(1)).toEqual([{ kind: 'segment', format: 1 }, mark(1), mark(2), mark(3)])
})

test('a write that fails refuses those who shared it, and the next one takes its place', async () => {
  const journal = await Journal.open(directory, 1)
  armFailpoints('journal:write=throw@1')
  const refused = await Promise.allSettled([1, 2].map((at) => journal.append(mark(at), false)))
  expect(refused.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  journal.applied(await journal.append(mark(3), false))
  await journal.close()
  expect(entriesOf(1)).toEqual([{ kind: 'segment', format: 1 }, mark(3)])
})
