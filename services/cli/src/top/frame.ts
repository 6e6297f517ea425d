import { MetricsText, quantile, type TimeCounts } from '@forebay/observe/metrics-text'

/** One scrape and when it was made. */
export interface Scrape {
  readonly metrics: MetricsText
  /** Milliseconds since 1970. */
  readonly atMs: number
}

/** Rates and times of one operation. */
export interface OperationFrame {
  readonly operation: string
  readonly perSecond: number
  readonly failuresPerSecond: number
  readonly p50Seconds: number | undefined
  readonly p99Seconds: number | undefined
}

/** What went to and came from one store. */
export interface OriginFrame {
  readonly origin: string
  /** `down`: not asked but probed; `returning`: it answers again, and gets a few requests. */
  readonly state: 'up' | 'down' | 'returning'
  readonly requestsPerSecond: number
  readonly failuresPerSecond: number
  readonly receivedBytesPerSecond: number
  readonly sentBytesPerSecond: number
  readonly p50Seconds: number | undefined
  readonly p99Seconds: number | undefined
}

/** Reads of one bucket. */
export interface BucketFrame {
  readonly bucket: string
  readonly readsPerSecond: number
  readonly bytesPerSecond: number
  readonly objectHitRatio: number | undefined
  readonly byteHitRatio: number | undefined
}

/**
 * What a node did between two scrapes. Ratios are 0..1 and speak of buckets with a store behind them:
 * a native bucket has nothing to miss. Undefined where nothing happened.
 */
export interface TopFrame {
  /** RFC 3339. */
  readonly at: string
  /** Time between the scrapes, or since the node's start when that was later. */
  readonly spanSeconds: number
  readonly version: string
  readonly uptimeSeconds: number
  readonly outBytesPerSecond: number
  readonly inBytesPerSecond: number
  readonly requestsPerSecond: number
  readonly failuresPerSecond: number
  readonly p50Seconds: number | undefined
  readonly p99Seconds: number | undefined
  readonly objectHitRatio: number | undefined
  readonly byteHitRatio: number | undefined
  /** Requests that stores were not asked, because the cache answered. */
  readonly savedRequestsPerSecond: number
  readonly savedBytesPerSecond: number
  /** Since the node's start. */
  readonly savedRequests: number
  readonly savedBytes: number
  /** What these would have cost, in the currency of the prices; undefined without prices. */
  readonly savedCost?: number | undefined
  readonly operations: readonly OperationFrame[]
  readonly origins: readonly OriginFrame[]
  readonly buckets: readonly BucketFrame[]
  readonly loopDelayP99Seconds: number
  readonly loopDelayMaxSeconds: number
  readonly memoryBytes: number
  readonly connectionCount: number
  readonly openFileCount: number
  readonly objectCount: number
  readonly unsettledCount: number
  readonly mountpaths: readonly {
    readonly path: string
    readonly usedBytes: number
    readonly capacityBytes: number
  }[]
}

/** Outcomes of requests to stores that are no failures: there, absent, or refused as it should be. */
const GOOD_OUTCOMES: ReadonlySet<string> = new Set(['ok', 'absent', 'refused', 'aborted'])

/** Native buckets are called so, and those that stand for a directory of a web server. */
const OWN_PREFIX = 'ais://'

/** What happened between two scrapes. After a restart counters begin anew: all of it is since then. */
export function measure(before: Scrape, after: Scrape): TopFrame {
  const { metrics } = after
  const uptimeSeconds = metrics.sum('forebay_uptime_seconds')
  const restarted = uptimeSeconds < before.metrics.sum('forebay_uptime_seconds')
  const spanSeconds = Math.max(0.001, restarted ? uptimeSeconds : (after.atMs - before.atMs) / 1000)
  const window = new Window(restarted ? new MetricsText('') : before.metrics, metrics, spanSeconds)
  return {
    at: new Date(after.atMs).toISOString(),
    spanSeconds,
    version: metrics.valuesOf('forebay_build_info', 'version')[0] ?? '',
    uptimeSeconds,
    ...trafficOf(window),
    ...savingOf(window),
    operations: operationsOf(window),
    origins: originsOf(window),
    buckets: bucketsOf(window),
    ...stateOf(metrics),
  }
}

/** Prices of the store; those that are not known do not count. */
export interface Prices {
  readonly perGib: number | undefined
  readonly perThousandRequests: number | undefined
}

const GIB = 1024 ** 3

/** The frame with what its savings are worth. Requests that checked freshness were paid, and are not in it. */
export function withCost(frame: TopFrame, { perGib, perThousandRequests }: Prices): TopFrame {
  if (perGib === undefined && perThousandRequests === undefined) return frame
  const egress = (frame.savedBytes / GIB) * (perGib ?? 0)
  const requests = (frame.savedRequests / 1000) * (perThousandRequests ?? 0)
  return { ...frame, savedCost: egress + requests }
}

/** Two scrapes and the time between them. */
class Window {
  readonly before: MetricsText
  readonly after: MetricsText
  readonly #seconds: number

  constructor(before: MetricsText, after: MetricsText, seconds: number) {
    this.before = before
    this.after = after
    this.#seconds = seconds
  }

  grown(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return Math.max(0, this.after.sum(name, labels) - this.before.sum(name, labels))
  }

  rate(name: string, labels: Readonly<Record<string, string>> = {}): number {
    return this.grown(name, labels) / this.#seconds
  }

  /** Growth over all series that a test accepts. */
  grownWhere(name: string, accept: (labels: ReadonlyMap<string, string>) => boolean): number {
    const sum = (metrics: MetricsText): number =>
      metrics
        .series(name)
        .filter(({ labels }) => accept(labels))
        .reduce((total, { value }) => total + value, 0)
    return Math.max(0, sum(this.after) - sum(this.before))
  }

  rateWhere(name: string, accept: (labels: ReadonlyMap<string, string>) => boolean): number {
    return this.grownWhere(name, accept) / this.#seconds
  }

  quantiles(name: string, labels: Readonly<Record<string, string>> = {}) {
    const earlier = new Map(
      this.before.times(name, labels).map(({ upToSeconds, count }) => [upToSeconds, count]),
    )
    const times: TimeCounts = this.after.times(name, labels).map(({ upToSeconds, count }) => ({
      upToSeconds,
      count: count - (earlier.get(upToSeconds) ?? 0),
    }))
    return { p50Seconds: quantile(times, 0.5), p99Seconds: quantile(times, 0.99) }
  }
}

function trafficOf(window: Window) {
  return {
    outBytesPerSecond: window.rate('forebay_read_bytes_total'),
    inBytesPerSecond: window.rate('forebay_written_bytes_total'),
    requestsPerSecond: window.rate('forebay_requests_total'),
    failuresPerSecond: window.rate('forebay_requests_total', { status: '5xx' }),
    ...window.quantiles('forebay_request_duration_seconds'),
  }
}

function savingOf(window: Window) {
  const native = nativeBuckets(window.after)
  const cached = (labels: ReadonlyMap<string, string>): boolean =>
    !native.has(labels.get('bucket') ?? '')
  const unasked = (labels: ReadonlyMap<string, string>): boolean =>
    cached(labels) && ['hit', 'stale'].includes(labels.get('status') ?? '')
  const fromCache = (labels: ReadonlyMap<string, string>): boolean =>
    cached(labels) && labels.get('source') === 'cache'
  const ever = new Window(new MetricsText(''), window.after, 1)
  return {
    objectHitRatio: objectHitRatio(window, cached),
    byteHitRatio: byteHitRatio(window, cached),
    savedRequestsPerSecond: window.rateWhere('forebay_cache_reads_total', unasked),
    savedBytesPerSecond: window.rateWhere('forebay_read_bytes_total', fromCache),
    savedRequests: ever.grownWhere('forebay_cache_reads_total', unasked),
    savedBytes: ever.grownWhere('forebay_read_bytes_total', fromCache),
  }
}

type Accept = (labels: ReadonlyMap<string, string>) => boolean

function objectHitRatio(window: Window, accept: Accept): number | undefined {
  const name = 'forebay_cache_reads_total'
  const hits = window.grownWhere(
    name,
    (labels) => accept(labels) && ['hit', 'revalidated'].includes(labels.get('status') ?? ''),
  )
  return ratio(hits, window.grownWhere(name, accept))
}

function byteHitRatio(window: Window, accept: Accept): number | undefined {
  const name = 'forebay_read_bytes_total'
  const hits = window.grownWhere(
    name,
    (labels) => accept(labels) && labels.get('source') === 'cache',
  )
  return ratio(hits, window.grownWhere(name, accept))
}

function operationsOf(window: Window): readonly OperationFrame[] {
  return window.after
    .valuesOf('forebay_requests_total', 'operation')
    .map((operation) => ({
      operation,
      perSecond: window.rate('forebay_requests_total', { operation }),
      failuresPerSecond: window.rate('forebay_requests_total', { operation, status: '5xx' }),
      ...window.quantiles('forebay_request_duration_seconds', { operation }),
    }))
    .filter(({ perSecond }) => perSecond > 0)
    .sort((a, b) => b.perSecond - a.perSecond)
}

/** By the value of `forebay_backend_circuit`. */
const ORIGIN_STATES = ['up', 'returning', 'down'] as const

function originsOf(window: Window): readonly OriginFrame[] {
  return window.after.valuesOf('forebay_backend_requests_total', 'backend').map((backend) => ({
    origin: backend,
    state: ORIGIN_STATES[window.after.sum('forebay_backend_circuit', { backend })] ?? 'up',
    requestsPerSecond: window.rate('forebay_backend_requests_total', { backend }),
    failuresPerSecond: window.rateWhere(
      'forebay_backend_requests_total',
      (labels) =>
        labels.get('backend') === backend && !GOOD_OUTCOMES.has(labels.get('outcome') ?? ''),
    ),
    receivedBytesPerSecond: window.rate('forebay_backend_bytes_total', {
      backend,
      direction: 'received',
    }),
    sentBytesPerSecond: window.rate('forebay_backend_bytes_total', { backend, direction: 'sent' }),
    ...window.quantiles('forebay_backend_duration_seconds', { backend }),
  }))
}

function bucketsOf(window: Window): readonly BucketFrame[] {
  return window.after
    .valuesOf('forebay_cache_reads_total', 'bucket')
    .map((bucket) => {
      const own: Accept = (labels) => labels.get('bucket') === bucket
      return {
        bucket,
        readsPerSecond: window.rate('forebay_cache_reads_total', { bucket }),
        bytesPerSecond: window.rate('forebay_read_bytes_total', { bucket }),
        objectHitRatio: objectHitRatio(window, own),
        byteHitRatio: byteHitRatio(window, own),
      }
    })
    .filter(({ readsPerSecond }) => readsPerSecond > 0)
    .sort((a, b) => b.bytesPerSecond - a.bytesPerSecond)
}

function stateOf(metrics: MetricsText) {
  return {
    loopDelayP99Seconds: metrics.sum('forebay_loop_delay_seconds', { statistic: 'p99' }),
    loopDelayMaxSeconds: metrics.sum('forebay_loop_delay_seconds', { statistic: 'max' }),
    memoryBytes: metrics.sum('forebay_resident_memory_bytes'),
    connectionCount: metrics.sum('forebay_connections'),
    openFileCount: metrics.sum('forebay_open_fds'),
    objectCount: metrics.sum('forebay_objects'),
    unsettledCount: metrics.sum('forebay_unsettled_keys'),
    mountpaths: metrics.valuesOf('forebay_mountpath_used_bytes', 'mountpath').map((path) => ({
      path,
      usedBytes: metrics.sum('forebay_mountpath_used_bytes', { mountpath: path }),
      capacityBytes: metrics.sum('forebay_mountpath_capacity_bytes', { mountpath: path }),
    })),
  }
}

/** Buckets whose only store is Forebay: nothing ever came from another one. */
function nativeBuckets(metrics: MetricsText): ReadonlySet<string> {
  const own = metrics
    .valuesOf('forebay_cache_reads_total', 'bucket')
    .filter((bucket) => bucket.startsWith(OWN_PREFIX))
  return new Set(
    own.filter(
      (bucket) => metrics.sum('forebay_read_bytes_total', { bucket, source: 'backend' }) === 0,
    ),
  )
}

function ratio(part: number, whole: number): number | undefined {
  return whole === 0 ? undefined : part / whole
}
