import type { JobReport } from '@forebay/client/jobs'
import { expect, test } from 'vitest'
import {
  actionsOf,
  JOBS_SHOWN_MAX,
  jobsIn,
  NO_JOBS,
  shareOf,
  withEvent,
  withList,
} from './job-board.ts'

function job(id: string, changes: Partial<JobReport> = {}): JobReport {
  return {
    id,
    kind: 'prefetch',
    bucket: 'aws://b',
    args: {},
    description: undefined,
    user: undefined,
    priority: 'normal',
    limits: {},
    state: 'running',
    created: `2026-11-21T00:00:0${id.length}Z`,
    started: undefined,
    ended: undefined,
    attempt: 1,
    listing: { items: 10, bytes: 0, complete: true },
    counters: { done: 2, skipped: 1, failed: 1, bytes: 0 },
    rate: undefined,
    remainingSeconds: undefined,
    error: undefined,
    result: undefined,
    schedule: undefined,
    raw: undefined,
    ...changes,
  }
}

test('jobs are shown newest first, those of one state alone where it is asked for', () => {
  const board = withList(NO_JOBS, [job('a'), job('bbb', { state: 'failed' }), job('cc')])
  expect(jobsIn(board, '').map(({ id }) => id)).toEqual(['bbb', 'cc', 'a'])
  expect(jobsIn(board, 'failed').map(({ id }) => id)).toEqual(['bbb'])
})

test('what the stream said is newer than the list, and what was removed is gone', () => {
  const event = { kind: 'job', job: job('a', { state: 'finished' }) } as const
  const board = withList(withEvent(NO_JOBS, event), [job('a'), job('bb')])
  expect(board.get('a')?.state).toBe('finished')
  expect([...withEvent(board, { kind: 'removed', id: 'bb' }).keys()]).toEqual(['a'])
})

test('of too many jobs those ordered longest ago are left out', () => {
  const many = Array.from({ length: JOBS_SHOWN_MAX + 1 }, (_, index) =>
    job(`j${index}`, { created: new Date(index * 1000).toISOString() }),
  )
  const board = withList(NO_JOBS, many)
  expect(board.size).toBe(JOBS_SHOWN_MAX)
  expect([board.has('j0'), board.has('j1')]).toEqual([false, true])
})

test('a share is known once everything is listed, and an empty job is done', () => {
  expect(shareOf(job('a'))).toBe(0.4)
  const open = { items: 10, bytes: 0, complete: false }
  expect(shareOf(job('a', { listing: open }))).toBeUndefined()
  expect(shareOf(job('a', { listing: { items: 0, bytes: 0, complete: true } }))).toBe(1)
})

test('what can be done with a job goes by its state', () => {
  const states = ['queued', 'paused', 'failed', 'lost']
  expect(states.map((state) => actionsOf(job('a', { state })))).toEqual([
    ['pause', 'abort'],
    ['resume', 'abort'],
    ['retry', 'remove'],
    ['remove'],
  ])
})
