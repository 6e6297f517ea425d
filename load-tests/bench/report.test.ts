import { expect, test } from 'vitest'
import type { CaseResult } from './compare.ts'
import type { Measurement } from './load.ts'
import { judge, summarize } from './report.ts'

const MIB = 1024 ** 2

function run(part: Partial<Measurement>): Measurement {
  return {
    operations: 1000,
    failures: 0,
    bytes: 1000 * MIB,
    seconds: 2,
    reconnects: 0,
    p50Us: 1000,
    p99Us: 4000,
    maxUs: 9000,
    firstByteP50Us: 900,
    firstByteP99Us: 3000,
    cpuSeconds: 0.1,
    serverCpuSeconds: 0.5,
    foreignCores: 0.2,
    ...part,
  }
}

function result(contender: string, part: Partial<CaseResult>): CaseResult {
  return {
    case: 'GET 4 KiB',
    kind: 'get',
    sizeBytes: 4096,
    connections: 16,
    contender,
    runs: [run({ serverCpuSeconds: 0.03 }), run({ serverCpuSeconds: 0.02 }), run({})],
    ...part,
  }
}

test('small objects are counted per request, large ones per GiB', () => {
  const small = summarize(result('forebay', {}))
  expect(small.unit).toBe('us/op')
  expect(small.cpuMin).toBeCloseTo(20, 6)
  expect(small.cpuMedian).toBeCloseTo(30, 6)
  const large = summarize(result('forebay', { sizeBytes: MIB, runs: [run({})] }))
  expect(large.unit).toBe('CPU-s/GiB')
  expect(large.cpuMin).toBeCloseTo(0.512, 6)
  expect(large.mibPerSecondMedian).toBe(500)
})

test('a write moves the bytes that were sent, not those of the answer', () => {
  const runs = [run({ bytes: 0, operations: 512, serverCpuSeconds: 1 })]
  const written = summarize(result('forebay', { kind: 'put', sizeBytes: MIB, runs }))
  expect(written.cpuMin).toBeCloseTo(2, 6)
})

test('the minimum of Forebay is held against the minimum of each other, with its bar', () => {
  const verdicts = judge([
    summarize(result('forebay', {})),
    summarize(result('nginx', { runs: [run({ serverCpuSeconds: 0.01 })] })),
    summarize(result('versitygw', { runs: [run({ serverCpuSeconds: 0.1 })] })),
  ])
  expect(verdicts.map(({ ratio, bar }) => [ratio, bar])).toEqual([
    [2, 2.2],
    [0.2, 1],
  ])
})

test('the bars for bytes hold from 1 MiB on, and the tail is judged at 16 MiB', () => {
  const at = (name: string) =>
    ['forebay', 'nginx'].map((who) => summarize(result(who, { case: name })))
  const barsOf = (name: string) => judge(at(name)).map(({ bar }) => bar)
  expect(barsOf('GET 64 KiB')).toEqual([1.4])
  expect(barsOf('GET 1 MiB')).toEqual([1.25])
  expect(barsOf('GET 16 MiB')).toEqual([1.25, 1.5])
  expect(barsOf('GET 1 GiB')).toEqual([1.25])
})
