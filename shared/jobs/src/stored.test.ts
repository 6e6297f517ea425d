import { expect, test } from 'vitest'
import { readRecord, readSchedule } from './stored.ts'

const RECORD = {
  id: 'a',
  kind: 'prefetch',
  args: {},
  priority: 'normal',
  limits: {},
  state: 'queued',
  createdMs: 1_790_000_000_000,
  attempt: 1,
  listing: { items: 0, bytes: 0, pages: 0, complete: false },
  counters: { done: 0, skipped: 0, failed: 0, bytes: 0 },
}

const SCHEDULE = {
  id: 'a',
  cron: '0 * * * *',
  timeZone: 'UTC',
  order: { kind: 'prefetch', args: {} },
  nextMs: 1_790_000_000_000,
}

test('a record or schedule with a time that no date can say is damaged', () => {
  expect(readRecord(RECORD)).toEqual(RECORD)
  expect(readSchedule(SCHEDULE)).toEqual(SCHEDULE)
  for (const time of [9e15, -1, Number.NaN]) {
    for (const name of ['createdMs', 'startedMs', 'endedMs']) {
      expect(readRecord({ ...RECORD, [name]: time })).toBeUndefined()
    }
    expect(readSchedule({ ...SCHEDULE, nextMs: time })).toBeUndefined()
  }
})
