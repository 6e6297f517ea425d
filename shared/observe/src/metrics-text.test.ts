import { expect, test } from 'vitest'
import { Metrics, renderMetrics } from './metrics.ts'
import { MetricsText, quantile } from './metrics-text.ts'

test('what a node renders is read back, labels with quotes and newlines included', async () => {
  const metrics = new Metrics({ version: '1' })
  metrics.bucket('aws://a').reads.hit.add(3)
  metrics.bucket('aws://a').reads.miss.add(1)
  metrics.bucket('odd"\\\n{name} 7').reads.hit.add(5)
  metrics.countRequest('GetObject', 200, 0.002)
  metrics.countRequest('GetObject', 503, 7)
  const text = new MetricsText((await renderMetrics(metrics)).text)
  expect(text.sum('forebay_cache_reads_total')).toBe(9)
  expect(text.sum('forebay_cache_reads_total', { status: 'hit' })).toBe(8)
  expect(text.sum('forebay_cache_reads_total', { bucket: 'odd"\\\n{name} 7' })).toBe(5)
  expect(text.valuesOf('forebay_cache_reads_total', 'bucket')).toEqual([
    'aws://a',
    'odd"\\\n{name} 7',
  ])
  expect(text.sum('forebay_requests_total', { status: '5xx' })).toBe(1)
  const times = text.times('forebay_request_duration_seconds', { operation: 'GetObject' })
  expect(times.find(({ upToSeconds }) => upToSeconds === 0.0025)?.count).toBe(1)
  expect(times.at(-1)).toEqual({ upToSeconds: Number.POSITIVE_INFINITY, count: 2 })
})

test('comments, empty lines and lines of another format are passed over', () => {
  const text = new MetricsText(
    '# HELP a b\n\nnot a sample\na{x="1"} 2\na 3 1700000000\nb NaN\nc +Inf\n',
  )
  expect(text.names).toEqual(['a', 'b', 'c'])
  expect(text.sum('a')).toBe(5)
  expect(text.sum('a', { x: '1' })).toBe(2)
  expect(text.sum('b')).toBeNaN()
  expect(text.sum('c')).toBe(Number.POSITIVE_INFINITY)
  expect(text.sum('absent')).toBe(0)
})

const TIMES = [
  { upToSeconds: 1, count: 0 },
  { upToSeconds: 2, count: 10 },
  { upToSeconds: 4, count: 20 },
  { upToSeconds: Number.POSITIVE_INFINITY, count: 20 },
]

test.each([
  [0.25, 1.5],
  [0.5, 2],
  [0.75, 3],
  [1, 4],
])('the quantile %d lies linearly inside its bucket, at %d s', (share, seconds) => {
  expect(quantile(TIMES, share)).toBeCloseTo(seconds, 10)
})

test('a quantile above all bounds is the highest bound, and of nothing there is none', () => {
  const slow = [
    { upToSeconds: 60, count: 0 },
    { upToSeconds: Number.POSITIVE_INFINITY, count: 3 },
  ]
  expect(quantile(slow, 0.5)).toBe(60)
  expect(quantile([], 0.5)).toBeUndefined()
  expect(quantile([{ upToSeconds: Number.POSITIVE_INFINITY, count: 0 }], 0.5)).toBeUndefined()
})
