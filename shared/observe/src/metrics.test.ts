import { expect, test } from 'vitest'
import { BUCKET_LABELS_MAX, Metrics, READ_STATUSES, renderMetrics } from './metrics.ts'

async function render(metrics: Metrics): Promise<string> {
  return (await renderMetrics(metrics)).text
}

/** Values by name and labels. */
function parse(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ')
      return [line.slice(0, at), Number(line.slice(at + 1))]
    }),
  )
}

function busy(): Metrics {
  const metrics = new Metrics({ version: '0.1.0' })
  metrics.countRequest('GetObject', 200, 0.001)
  metrics.bucket('aws://data').reads.hit.add(1)
  metrics.backend('aws', 'read').outcome('ok').add(1)
  metrics.countEviction('space', 4096)
  metrics.connect({
    objectCount: () => 3,
    unsettledCount: () => 1,
    connectionCount: () => 2,
    mountpaths: () => [
      { path: '/m"1\n', state: 'enabled', usedBytes: 10, capacityBytes: 100, errorCount: 3 },
    ],
    loopDelay: () => ({ p50: 0.001, p99: 0.002, max: 0.003 }),
  })
  return metrics
}

test('requests are counted by operation and first digit of the status', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  for (const status of [200, 206, 304, 404, 412, 503, 0, 999]) {
    metrics.countRequest('GetObject', status, 0.001)
  }
  metrics.countRequest('PutObject', 200, 0.001)
  const values = parse(await render(metrics))
  const of = (status: string): number | undefined =>
    values.get(`forebay_requests_total{operation="GetObject",status="${status}"}`)
  expect(['2xx', '3xx', '4xx', '5xx', '1xx', 'other'].map(of)).toEqual([2, 1, 2, 1, 0, 2])
  expect(values.get('forebay_requests_total{operation="PutObject",status="2xx"}')).toBe(1)
})

test('times are counted by upper bound, the bound itself included, cumulatively', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  for (const seconds of [0, 0.0005, 0.00051, 60, 61]) metrics.countRequest('Get', 200, seconds)
  const values = parse(await render(metrics))
  const bucket = (le: string): number | undefined =>
    values.get(`forebay_request_duration_seconds_bucket{operation="Get",le="${le}"}`)
  expect(['0.0005', '0.001', '30', '60', '+Inf'].map(bucket)).toEqual([2, 3, 3, 4, 5])
  expect(values.get('forebay_request_duration_seconds_count{operation="Get"}')).toBe(5)
  expect(values.get('forebay_request_duration_seconds_sum{operation="Get"}')).toBeCloseTo(121.00101)
})

test('reads are counted by bucket and cache status, bytes by source', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  const bucket = metrics.bucket('aws://data')
  for (const [at, status] of READ_STATUSES.entries()) bucket.reads[status].add(at + 1)
  bucket.cacheBytes.add(10)
  bucket.backendBytes.add(20)
  bucket.writtenBytes.add(30)
  const values = parse(await render(metrics))
  for (const [at, status] of READ_STATUSES.entries()) {
    const name = `forebay_cache_reads_total{bucket="aws://data",status="${status}"}`
    expect(values.get(name)).toBe(at + 1)
  }
  const read = (source: string): number | undefined =>
    values.get(`forebay_read_bytes_total{bucket="aws://data",source="${source}"}`)
  expect([read('cache'), read('backend')]).toEqual([10, 20])
  expect(values.get('forebay_written_bytes_total{bucket="aws://data"}')).toBe(30)
})

test('the counters of a bucket are the same object each time, until it is forgotten', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  const bucket = metrics.bucket('ais://a')
  bucket.reads.hit.add(1)
  expect(metrics.bucket('ais://a')).toBe(bucket)
  metrics.bucket('ais://b').reads.hit.add(1)
  metrics.forgetBucket('ais://a')
  const text = await render(metrics)
  expect(text).not.toContain('ais://a')
  expect(text).toContain('ais://b')
  expect(metrics.bucket('ais://a').reads.hit.value).toBe(0)
})

test('the buckets beyond the limit share the label "other"', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  for (let at = 0; at < BUCKET_LABELS_MAX + 5; at++) metrics.bucket(`ais://b${at}`).reads.hit.add(1)
  const values = parse(await render(metrics))
  const names = [...values.keys()].filter((name) => name.startsWith('forebay_cache_reads_total'))
  expect(names).toHaveLength((BUCKET_LABELS_MAX + 1) * READ_STATUSES.length)
  expect(values.get('forebay_cache_reads_total{bucket="other",status="hit"}')).toBe(5)
})

test('requests to a backend are counted by operation and outcome', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  const read = metrics.backend('aws', 'read')
  read.outcome('ok').add(2)
  read.outcome('timeout').add(1)
  read.receivedBytes.add(4096)
  read.duration.observe(0.02)
  metrics.backend('aws', 'read').outcome('ok').add(1)
  const values = parse(await render(metrics))
  const labels = 'backend="aws",operation="read"'
  expect(values.get(`forebay_backend_requests_total{${labels},outcome="ok"}`)).toBe(3)
  expect(values.get(`forebay_backend_requests_total{${labels},outcome="timeout"}`)).toBe(1)
  expect(values.get(`forebay_backend_bytes_total{${labels},direction="received"}`)).toBe(4096)
  expect(values.get(`forebay_backend_duration_seconds_count{${labels}}`)).toBe(1)
})

test('the seeks of listings are counted, from the first scrape on', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  expect(parse(await render(metrics)).get('forebay_list_seeks_total')).toBe(0)
  metrics.countListSeeks(2)
  metrics.countListSeeks(1)
  expect(parse(await render(metrics)).get('forebay_list_seeks_total')).toBe(3)
})

test('gauges ask the running node when they are rendered', async () => {
  const values = parse(await render(busy()))
  expect(values.get('forebay_objects')).toBe(3)
  expect(values.get('forebay_unsettled_keys')).toBe(1)
  expect(values.get('forebay_connections')).toBe(2)
  expect(values.get('forebay_mountpath_used_bytes{mountpath="/m\\"1\\n"}')).toBe(10)
  expect(values.get('forebay_mountpath_capacity_bytes{mountpath="/m\\"1\\n"}')).toBe(100)
  expect(values.get('forebay_loop_delay_seconds{statistic="p99"}')).toBe(0.002)
  expect(values.get('forebay_open_fds')).toBeGreaterThan(2)
  expect(values.get('forebay_resident_memory_bytes')).toBeGreaterThan(1024 ** 2)
  const info = `forebay_build_info{version="0.1.0",node="${process.versions.node}"}`
  expect(values.get(info)).toBe(1)
})

test('a mountpath that is gone is no longer shown', async () => {
  const metrics = new Metrics({ version: '0.1.0' })
  let paths = ['/a', '/b']
  metrics.connect({
    objectCount: () => 0,
    unsettledCount: () => 0,
    connectionCount: () => 0,
    mountpaths: () =>
      paths.map((path) => ({
        path,
        state: 'enabled',
        usedBytes: 1,
        capacityBytes: 2,
        errorCount: 0,
      })),
    loopDelay: () => ({ p50: 0, p99: 0, max: 0 }),
  })
  expect(await render(metrics)).toContain('mountpath="/a"')
  paths = ['/b']
  expect(await render(metrics)).not.toContain('mountpath="/a"')
})

test('the rendering keeps the rules of Prometheus for names, units and help', async () => {
  const { contentType, text } = await renderMetrics(busy())
  expect(contentType).toMatch(/^text\/plain; version=0\.0\.4/)
  expect(text.endsWith('\n')).toBe(true)
  const types = new Map(
    [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => [name, type]),
  )
  const helps = new Map(
    [...text.matchAll(/^# HELP (\S+) (.+)$/gm)].map(([, name = '', help = '']) => [name, help]),
  )
  expect(types.size).toBeGreaterThan(15)
  for (const [name, type] of types) {
    expect(name).toMatch(/^forebay_[a-z0-9_]+$/)
    expect(helps.get(name), name).toMatch(/^[A-Z].*\.$/)
    expect(name.endsWith('_total'), name).toBe(type === 'counter')
    expect(name, 'base units, written out').not.toMatch(
      /_(ms|milliseconds|kb|mb|count|sum|bucket)$/,
    )
  }
  const labels = [...text.matchAll(/[{,]([a-zA-Z0-9_]+)="/g)].map(([, label = '']) => label)
  for (const label of labels) expect(label).toMatch(/^[a-z_]+$/)
  expect(labels).not.toContain('quantile')
  expect(labels).not.toContain('key')
})

test('every sample belongs to a declared metric and no sample stands twice', async () => {
  const text = await render(busy())
  const declared = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name = '']) => name)
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  expect(parse(text).size).toBe(lines.length)
  for (const line of lines) {
    const name = /^[a-z0-9_]+/.exec(line)?.[0] ?? ''
    const family = name.replace(/_(bucket|sum|count)$/, '')
    expect(declared.includes(name) || declared.includes(family), line).toBe(true)
  }
})
