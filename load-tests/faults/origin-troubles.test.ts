import { expect, test } from 'vitest'
import { outage } from './outage-rounds.ts'
import { randomFaults } from './random-fault-rounds.ts'

/** Another seed finds other faults; a seed that found something stays here. */
const SEED = 20_262

test('while the origin is away what is cached is served, and its return is no stampede', async () => {
  const report = await outage({
    ...{ seed: SEED, kind: 'refused', perSecond: 60, progressTimeout: '2s' },
    ...{ keyCount: 40, calmMs: 2000, outageMs: 3500, noticeMs: 1800 },
  })
  expect(report.violations).toEqual([])
  expect(report.warm.cache.get('stale')).toBeGreaterThan(20)
  expect(report.cold.refusedCount, 'what is not cached is refused').toBe(report.cold.requestCount)
  // Five requests open the circuit; each may have been tried again, and probes follow.
  expect(report.backendRequests).toBeLessThan(100)
  expect(report.afterPerKeyMax).toBeLessThanOrEqual(2)
})

test('an origin that spoils one answer in six is never believed', async () => {
  const report = await randomFaults({
    ...{ seed: SEED, share: 0.16, perSecond: 80, progressTimeout: '1s' },
    ...{ cleanMs: 100, faultyMs: 4000 },
  })
  expect(report.violations).toEqual([])
  // Ten are saved up, and a tenth of all requests comes on top.
  const first = report.backendRequests - report.retries
  expect(report.retries).toBeLessThanOrEqual(10 + 0.1 * first)
  expect(report.faults.size, 'several kinds of faults').toBeGreaterThan(4)
})
