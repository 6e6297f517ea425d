import { POLICY_KINDS } from '@forebay/model/bucket-properties'
import { describe, expect, test } from 'vitest'
import { runBelady } from './belady.ts'
import { drawChart } from './chart.ts'
import { checkBytes, checkTraces, compareTraces } from './compare.ts'
import { findBytesPerObject } from './cost.ts'
import { makeTraces, type Trace } from './trace.ts'

/** Enough for shares to settle, few enough for seconds. */
const OBJECTS = 2000

const traceOf = (
  reads: readonly number[],
  sizes: readonly number[],
  cacheBytes: number,
): Trace => ({
  name: 'small',
  reads: Uint32Array.from(reads),
  sizes: Float64Array.from(sizes),
  cacheBytes,
  epochs: false,
  shuffled: false,
})

describe('the optimum', () => {
  test('keeps what is read next, also at the cost of what was just read', () => {
    const trace = traceOf([0, 1, 2, 0, 1, 2, 0, 1, 2], [1, 1, 1], 2)
    // Belady with bypass: two of three stay for good.
    expect(runBelady(trace).objects).toBeCloseTo(4 / 9)
  })

  test('keeps a part of what does not fit whole, and counts it in bytes alone', () => {
    const trace = traceOf([0, 0, 0], [10], 4)
    expect(runBelady(trace)).toEqual({ objects: 0, bytes: 8 / 30 })
  })

  test('is no worse than any choice of objects in short traces', () => {
    for (let seed = 0; seed < 30; seed++) {
      const reads = Array.from({ length: 12 }, (_, at) => (seed * 7 + at * at * (seed + 3)) % 4)
      const trace = traceOf(reads, [1, 2, 3, 1], 4)
      expect(runBelady(trace).bytes).toBeGreaterThanOrEqual(bestBytes(trace, 0, new Set()) - 1e-9)
    }
  })
})

/** Tries every set of objects that fits after every read. */
function bestBytes(trace: Trace, at: number, cached: ReadonlySet<number>): number {
  const total = trace.reads.reduce((sum, id) => sum + (trace.sizes[id] ?? 0), 0)
  const search = (from: number, held: ReadonlySet<number>): number => {
    const id = trace.reads[from]
    if (id === undefined) return 0
    const hit = held.has(id) ? (trace.sizes[id] ?? 0) : 0
    const may = [...new Set([...held, id])]
    let best = 0
    for (let mask = 0; mask < 2 ** may.length; mask++) {
      const next = may.filter((_, bit) => (mask & (1 << bit)) !== 0)
      if (next.reduce((sum, each) => sum + (trace.sizes[each] ?? 0), 0) > trace.cacheBytes) continue
      best = Math.max(best, search(from + 1, new Set(next)))
    }
    return hit + best
  }
  return search(at, cached) / total
}

describe('traces', () => {
  test('are the same from the same seed, and others from another', () => {
    const names = (seed: number) =>
      makeTraces({ objects: 200, seed }).map(({ reads }) => reads.slice(0, 50).join())
    expect(names(1)).toEqual(names(1))
    expect(names(1)[0]).not.toEqual(names(2)[0])
  })

  test('every statement about the policies holds, and the chart shows every trace', () => {
    const results = compareTraces({ objects: OBJECTS, seed: 1 })
    expect(checkTraces(results).filter(({ met }) => !met)).toEqual([])
    for (const { shuffled, name, policies } of results) {
      if (shuffled && !name.includes(' 2x')) expect(policies.lru.bytes).toBeLessThan(0.03)
    }
    const chart = drawChart(results)
    for (const { name } of results) expect(chart).toContain(`>${name}<`)
    expect(chart).not.toMatch(/href|<script|url\(/)
  })

  test.each(POLICY_KINDS)('%s takes at most 24 bytes an object', (kind) => {
    expect(checkBytes(kind, findBytesPerObject(kind, 100_000))).toMatchObject({ met: true })
  })
})
