import type { JobReport } from '@forebay/client/jobs'
import { expect, test } from 'vitest'
import type { GlobalOptions, Run } from '../cli-context.ts'
import { JobLines } from './job-lines.ts'
import { endText, progressText } from './job-text.ts'

function job(changes: Partial<JobReport> = {}): JobReport {
  return {
    id: 'j1',
    kind: 'prefetch',
    bucket: 'aws://b',
    args: {},
    description: undefined,
    user: undefined,
    priority: 'normal',
    limits: {},
    state: 'running',
    created: '2026-11-21T00:00:00Z',
    started: '2026-11-21T00:00:01Z',
    ended: undefined,
    attempt: 1,
    listing: { items: 4, bytes: 0, complete: true },
    counters: { done: 1, skipped: 1, failed: 0, bytes: 1024 },
    rate: undefined,
    remainingSeconds: undefined,
    error: undefined,
    result: undefined,
    schedule: undefined,
    raw: undefined,
    ...changes,
  }
}

function terminal(isTTY: boolean, options: GlobalOptions = {}) {
  const written: string[] = []
  const output = {
    isTTY,
    columns: 60,
    write: (text: string | Uint8Array): boolean => written.push(String(text)) > 0,
    once: () => undefined,
  }
  const environment = { variables: {}, home: '/home/u' }
  const { signal } = new AbortController()
  const context = { environment, stdout: output, stderr: output, signal }
  const run: Run = { context, options }
  return { run, written }
}

test('progress has a bar once the list is complete, before that what was found', () => {
  expect(progressText(job())).toBe(
    'prefetch aws://b j1  [############............] 50 %  2 of 4 objects  1.00 KiB',
  )
  const single = job({
    listing: { items: 1, bytes: 4096, complete: true },
    counters: { done: 0, skipped: 0, failed: 0, bytes: 1024 },
  })
  expect(progressText(single)).toBe(
    'prefetch aws://b j1  [######..................] 25 %  0 of 1 objects  1.00 KiB',
  )
  const open = job({
    listing: { items: 4000, bytes: 0, complete: false },
    counters: { done: 1, skipped: 0, failed: 1, bytes: 0 },
    rate: { itemsPerSecond: 0.4, bytesPerSecond: 2048 },
    state: 'paused',
  })
  expect(progressText(open)).toBe(
    'prefetch aws://b j1  2 objects, 4,000 listed so far  0 B  0.4/s  2.00 KiB/s  1 failed  paused',
  )
  const empty = job({ listing: { items: 0, bytes: 0, complete: true } })
  expect(progressText(empty)).not.toContain('[')
})

test('text of others cannot move the cursor', () => {
  const ended = job({ state: 'failed', error: 'a\x1b[2Jb', ended: '2026-11-21T00:01:01Z' })
  expect(endText(ended)).toBe(
    'prefetch aws://b j1  failed: 1 done, 1 skipped, 1.00 KiB in 1m; a\\u001b[2Jb',
  )
})

test('on a terminal the lines of all jobs are written over, no wider than it is', () => {
  let nowMs = 0
  const { run, written } = terminal(true)
  const lines = new JobLines(run, () => nowMs)
  lines.show(job())
  lines.show(job({ id: 'j2' }))
  expect(written).toHaveLength(1)
  nowMs = 100
  lines.show(job({ id: 'j2' }))
  const cut = progressText(job()).slice(0, 59)
  expect(written.at(-1)).toBe(`\r\x1b[J${cut}\n${cut.replace('j1', 'j2')}`)
  nowMs = 200
  lines.show(job())
  expect(written.at(-1)).toContain('\r\x1b[1A\x1b[J')
  lines.drop('j1')
  expect(written.at(-1)).toBe('\r\x1b[1A\x1b[J')
  lines.clear()
  expect(written).toHaveLength(4)
})

test('elsewhere it is a line a second for each job that has moved', () => {
  let nowMs = 0
  const { run, written } = terminal(false)
  const lines = new JobLines(run, () => nowMs)
  const moved = job({ counters: { done: 3, skipped: 0, failed: 0, bytes: 0 } })
  lines.show(job())
  nowMs = 999
  lines.show(moved)
  expect(written).toHaveLength(1)
  nowMs = 1000
  lines.show(job())
  expect(written).toHaveLength(1)
  lines.show(moved)
  lines.show(job({ id: 'j2' }))
  expect(written).toHaveLength(3)
  lines.clear()
  expect(written.join('')).not.toContain('\x1b')
})

test('with --quiet or --json nothing is drawn', () => {
  for (const options of [{ quiet: true }, { json: true }]) {
    const { run, written } = terminal(true, options)
    const lines = new JobLines(run)
    lines.show(job())
    lines.clear()
    expect(written).toEqual([])
  }
})
