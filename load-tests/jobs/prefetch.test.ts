import { expect, test } from 'vitest'
import { prefetchRun } from './prefetch-run.ts'

test('a prefetch whose node is killed midway lists once, reads each object once, and tells what failed', async () => {
  const objects = 4000
  const report = await prefetchRun({
    seed: 5,
    objects,
    objectBytes: 2000,
    kills: 2,
    failing: 50,
    serviceMs: 2,
  })
  const { first, retried } = report
  expect(report.kills).toBe(2)
  expect(first).toMatchObject({
    state: 'failed',
    listing: { items: objects, complete: true },
    counters: { failed: 50 },
  })
  expect(first.counters.done + first.counters.skipped).toBe(objects - 50)
  expect(report.toldFailures).toEqual(report.refused)
  // A page that was being asked for when the node died is asked for again.
  expect(report.listCount).toBeLessThanOrEqual(objects / 1000 + report.kills)
  // What was on its way when the node died: at most `jobs.itemsAtOnce` each time.
  expect(report.readTwice).toBeLessThanOrEqual(64 * report.kills)
  expect(retried).toMatchObject({ state: 'finished', attempt: 2, counters: { failed: 0 } })
  expect(report.neverRead).toBe(0)
  expect(report.evicted).toMatchObject({ state: 'finished', counters: { done: objects } })
  // Told to stop in the middle of a job, the node ends in order.
  expect(report.exitStatus).toBe(0)
}, 120_000)
