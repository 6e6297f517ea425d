import { MetricsText } from '@forebay/observe/metrics-text'
import { expect, test } from 'vitest'
import { measure, type Scrape, withCost } from './frame.ts'
import { frameLines, sparkline, timeSpanText } from './frame-lines.ts'

/** What a node would answer, with the counters that matter here. */
function scrape(atMs: number, values: Readonly<Record<string, number>>): Scrape {
  const text = Object.entries(values).map(([series, value]) => `${series} ${value}\n`)
  return { atMs, metrics: new MetricsText(text.join('')) }
}

const READS = (bucket: string, status: string): string =>
  `forebay_cache_reads_total{bucket="${bucket}",status="${status}"}`
const BYTES = (bucket: string, source: string): string =>
  `forebay_read_bytes_total{bucket="${bucket}",source="${source}"}`
const SLOWER = (le: string): string =>
  `forebay_request_duration_seconds_bucket{operation="GetObject",le="${le}"}`

const BEFORE = scrape(1000, {
  forebay_uptime_seconds: 10,
  [READS('aws://a', 'hit')]: 100,
  [READS('aws://a', 'miss')]: 100,
  [BYTES('aws://a', 'cache')]: 1000,
  'forebay_requests_total{operation="GetObject",status="2xx"}': 200,
  [SLOWER('1')]: 200,
  [SLOWER('2')]: 200,
  [SLOWER('+Inf')]: 200,
})

const AFTER = scrape(3000, {
  forebay_uptime_seconds: 12,
  [READS('aws://a', 'hit')]: 106,
  [READS('aws://a', 'stale')]: 2,
  [READS('aws://a', 'revalidated')]: 1,
  [READS('aws://a', 'miss')]: 103,
  [READS('ais://own', 'hit')]: 50,
  [BYTES('aws://a', 'cache')]: 4000,
  [BYTES('aws://a', 'backend')]: 1000,
  [BYTES('ais://own', 'cache')]: 9000,
  'forebay_requests_total{operation="GetObject",status="2xx"}': 218,
  'forebay_requests_total{operation="GetObject",status="5xx"}': 2,
  [SLOWER('1')]: 200,
  [SLOWER('2')]: 220,
  [SLOWER('+Inf')]: 220,
  'forebay_backend_requests_total{backend="s3",operation="get",outcome="ok"}': 8,
  'forebay_backend_requests_total{backend="s3",operation="get",outcome="timeout"}': 2,
})

test('rates are the growth between two scrapes, by the time between them', () => {
  const frame = measure(BEFORE, AFTER)
  expect(frame).toMatchObject({
    spanSeconds: 2,
    outBytesPerSecond: 6500,
    requestsPerSecond: 10,
    failuresPerSecond: 1,
    p50Seconds: 1.5,
  })
  expect(frame.origins).toMatchObject([
    { origin: 's3', state: 'up', requestsPerSecond: 5, failuresPerSecond: 1 },
  ])
})

test.each([
  [0, 'up'],
  [1, 'returning'],
  [2, 'down'],
])('a store whose circuit says %i is %s', (circuit, state) => {
  const after = scrape(3000, {
    'forebay_backend_requests_total{backend="s3",operation="get",outcome="ok"}': 8,
    'forebay_backend_circuit{backend="s3"}': circuit,
  })
  const frame = measure(BEFORE, after)
  expect(frame.origins).toMatchObject([{ origin: 's3', state }])
  expect(frameLines(frame, 'http://node', []).join('\n')).toMatch(new RegExp(`s3 +${state} `))
})

test('hit ratio and savings speak of buckets with a store, not of native ones', () => {
  const frame = measure(BEFORE, AFTER)
  // 6 hits and 1 revalidated of 6 + 2 + 1 + 3 reads; 3,000 of 4,000 bytes.
  expect(frame.objectHitRatio).toBeCloseTo(7 / 12, 10)
  expect(frame.byteHitRatio).toBeCloseTo(0.75, 10)
  // A revalidated read did ask the store.
  expect(frame.savedRequestsPerSecond).toBe(4)
  expect(frame).toMatchObject({ savedBytesPerSecond: 1500, savedRequests: 108, savedBytes: 4000 })
  expect(frame.buckets.map(({ bucket }) => bucket)).toEqual(['ais://own', 'aws://a'])
})

test('savings are worth what bytes and requests cost at the store', () => {
  const gib = scrape(3000, {
    forebay_uptime_seconds: 12,
    [READS('aws://a', 'hit')]: 5000,
    [BYTES('aws://a', 'cache')]: 2 * 1024 ** 3,
  })
  const frame = measure(scrape(1000, {}), gib)
  const cost = (perGib?: number, perThousandRequests?: number) =>
    withCost(frame, { perGib, perThousandRequests }).savedCost
  expect(cost(0.09, 0.0004)).toBeCloseTo(0.18 + 0.002, 10)
  expect(cost(0.09)).toBeCloseTo(0.18, 10)
  expect(cost()).toBeUndefined()
  const lines = frameLines(withCost(frame, { perGib: 1, perThousandRequests: 0 }), 'http://e', [])
  expect(lines.join()).toContain('worth 2.00')
})

test('a bucket that stands for a directory of a web server has a store', () => {
  const reads = scrape(3000, {
    forebay_uptime_seconds: 12,
    [READS('ais://site', 'hit')]: 3,
    [READS('ais://site', 'miss')]: 1,
    [BYTES('ais://site', 'cache')]: 30,
    [BYTES('ais://site', 'backend')]: 10,
  })
  expect(measure(scrape(1000, {}), reads)).toMatchObject({
    objectHitRatio: 0.75,
    byteHitRatio: 0.75,
  })
})

test('after a restart everything is since the start', () => {
  const restarted = scrape(3000, {
    forebay_uptime_seconds: 0.5,
    'forebay_requests_total{operation="GetObject",status="2xx"}': 5,
  })
  expect(measure(AFTER, restarted)).toMatchObject({ spanSeconds: 0.5, requestsPerSecond: 10 })
})

test('a node that nobody asks has no ratios and no times', () => {
  const later = { ...AFTER, atMs: 5000 }
  const frame = measure(AFTER, later)
  expect(frame).toMatchObject({
    requestsPerSecond: 0,
    objectHitRatio: undefined,
    byteHitRatio: undefined,
    p99Seconds: undefined,
  })
  expect(frame.operations).toEqual([])
  expect(frameLines(frame, 'http://e', [frame]).join('\n')).toContain('hit ratio  - of objects')
})

test('control characters in a bucket name do not reach the terminal', () => {
  const nasty = scrape(3000, {
    forebay_uptime_seconds: 12,
    [READS('aws://\\n\u001b[2J', 'hit')]: 5,
  })
  const lines = frameLines(measure(scrape(1000, {}), nasty), 'http://e', [])
  expect(lines.join('')).not.toContain('\u001b')
})

test('a chart is as high as its highest value, and leaves out what is not known', () => {
  expect(sparkline([0, 7, undefined, 14])).toBe('▁▅ █')
  expect(sparkline([0, 0])).toBe('▁▁')
  expect(sparkline([0.5], 1)).toBe('▅')
})

test('times are shown in the unit that people say', () => {
  expect([0.0004, 0.0123, 3.14, undefined].map(timeSpanText)).toEqual([
    '0.4 ms',
    '12 ms',
    '3.1 s',
    '-',
  ])
})
