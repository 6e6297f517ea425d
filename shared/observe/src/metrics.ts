import { readdir } from 'node:fs/promises'
import { Gauge, Registry } from 'prom-client'
import { CounterFamily, type Tally, TimeFamily, type TimeTally } from './tally.ts'

/** How a read was answered; the values of the `Forebay-Cache` header. */
export const READ_STATUSES = ['hit', 'miss', 'partial', 'stale', 'revalidated', 'bypass'] as const
export type ReadStatus = (typeof READ_STATUSES)[number]

/** How a request to a backend ended. */
export type BackendOutcome =
  | 'ok'
  | 'absent'
  | 'refused'
  | 'throttled'
  | 'failed'
  | 'timeout'
  | 'aborted'

/** Buckets with counters of their own; reads of further ones count under `other`. */
export const BUCKET_LABELS_MAX = 1000

/** Label of all buckets beyond the limit. */
const OTHER = 'other'

/** Counters of one bucket; ask for them once and keep them. */
export interface BucketTallies {
  readonly reads: Readonly<Record<ReadStatus, Tally>>
  readonly cacheBytes: Tally
  readonly backendBytes: Tally
  readonly writtenBytes: Tally
}

/** Counters of one operation at one backend. */
export interface BackendTallies {
  outcome(outcome: BackendOutcome): Tally
  readonly receivedBytes: Tally
  readonly sentBytes: Tally
  readonly duration: TimeTally
}

/** What is asked when somebody scrapes; each must answer at once. */
export interface GaugeSources {
  readonly objectCount: () => number
  readonly unsettledCount: () => number
  readonly connectionCount: () => number
  readonly mountpaths: () => readonly {
    readonly path: string
    readonly state: string
    readonly usedBytes: number
    readonly capacityBytes: number
    /** Errors of its disk since the start. */
    readonly errorCount: number
  }[]
  /** Seconds, over the last window. */
  readonly loopDelay: () => { readonly p50: number; readonly p99: number; readonly max: number }
}

/** Whether backends can be reached, by their names. */
export type CircuitSources = () => ReadonlyMap<
  string,
  { readonly state: 'closed' | 'open' | 'ramp' }
>

/** What a bucket takes and may take; an infinite quota is none. */
export interface BucketRoom {
  /** `provider://name`. */
  readonly bucket: string
  readonly usedBytes: number
  readonly quotaBytes: number
}

interface RequestTallies {
  /** By the first digit of the status, 0..5. */
  readonly byClass: readonly Tally[]
  readonly duration: TimeTally
}

/**
 * The counters of one node. Counting is an addition to a plain number; names, labels and text are made
 * when somebody scrapes. Object keys are never labels.
 */
export class Metrics {
  readonly registry = new Registry()
  readonly #requests: CounterFamily<'operation' | 'status'>
  readonly #requestTimes: TimeFamily<'operation'>
  readonly #reads: CounterFamily<'bucket' | 'status'>
  readonly #readBytes: CounterFamily<'bucket' | 'source'>
  readonly #writtenBytes: CounterFamily<'bucket'>
  readonly #backendRequests: CounterFamily<'backend' | 'operation' | 'outcome'>
  readonly #backendBytes: CounterFamily<'backend' | 'operation' | 'direction'>
  readonly #backendTimes: TimeFamily<'backend' | 'operation'>
  readonly #backendRetries: CounterFamily<'backend'>
  readonly #evicted: CounterFamily<'reason'>
  readonly #evictedBytes: CounterFamily<'reason'>
  readonly #listSeeks: Tally
  readonly #damaged: CounterFamily<'what'>
  readonly #operations = new Map<string, RequestTallies>()
  readonly #buckets = new Map<string, BucketTallies>()

  constructor(build: { readonly version: string }) {
    const { registry } = this
    this.#requests = new CounterFamily({
      name: 'forebay_requests_total',
      help: 'Requests answered, by operation and first digit of the status.',
      labels: ['operation', 'status'],
      registry,
    })
    this.#requestTimes = new TimeFamily({
      name: 'forebay_request_duration_seconds',
      help: 'Time from the head of a request to the last byte of its answer.',
      labels: ['operation'],
      registry,
    })
    this.#reads = new CounterFamily({
      name: 'forebay_cache_reads_total',
      help: 'Reads of objects, by how the cache answered them.',
      labels: ['bucket', 'status'],
      registry,
    })
    this.#readBytes = new CounterFamily({
      name: 'forebay_read_bytes_total',
      help: 'Bytes of objects sent to clients, by where they came from.',
      labels: ['bucket', 'source'],
      registry,
    })
    this.#writtenBytes = new CounterFamily({
      name: 'forebay_written_bytes_total',
      help: 'Bytes of objects received from clients.',
      labels: ['bucket'],
      registry,
    })
    this.#backendRequests = new CounterFamily({
      name: 'forebay_backend_requests_total',
      help: 'Requests to backends, each attempt counted.',
      labels: ['backend', 'operation', 'outcome'],
      registry,
    })
    this.#backendBytes = new CounterFamily({
      name: 'forebay_backend_bytes_total',
      help: 'Bytes of bodies received from and sent to backends.',
      labels: ['backend', 'operation', 'direction'],
      registry,
    })
    this.#backendTimes = new TimeFamily({
      name: 'forebay_backend_duration_seconds',
      help: 'Time of requests to backends, bodies included.',
      labels: ['backend', 'operation'],
      registry,
    })
    this.#backendRetries = new CounterFamily({
      name: 'forebay_backend_retries_total',
      help: 'Requests to backends that were attempts after the first.',
      labels: ['backend'],
      registry,
    })
    this.#evicted = new CounterFamily({
      name: 'forebay_evicted_objects_total',
      help: 'Objects that left the cache.',
      labels: ['reason'],
      registry,
    })
    this.#evictedBytes = new CounterFamily({
      name: 'forebay_evicted_bytes_total',
      help: 'Bytes that left the cache.',
      labels: ['reason'],
      registry,
    })
    this.#listSeeks = new CounterFamily<never>({
      name: 'forebay_list_seeks_total',
      help: 'Cursor seeks in the index that listings took: one a page, and up to two for each common prefix.',
      labels: [],
      registry,
    }).tally({})
    this.#damaged = new CounterFamily({
      name: 'forebay_damage_found_total',
      help: 'Objects, records and journals found damaged on disk; none of them was served.',
      labels: ['what'],
      registry,
    })
    addProcessGauges(registry, build.version)
  }

  /** Counts an answered request. `operation` is one of the doors' fixed words, never client text. */
  countRequest(operation: string, status: number, seconds: number): void {
    const tallies = this.#operations.get(operation) ?? this.#addOperation(operation)
    const tally = tallies.byClass[Math.floor(status / 100)] ?? tallies.byClass[0]
    tally?.add(1)
    tallies.duration.observe(seconds)
  }

  /** The counters of a bucket; its name as `provider://name`. */
  bucket(name: string): BucketTallies {
    const held = this.#buckets.get(name)
    if (held !== undefined) return held
    const label = this.#buckets.size < BUCKET_LABELS_MAX ? name : OTHER
    const tallies = this.#buckets.get(label) ?? this.#makeBucket(label)
    this.#buckets.set(label, tallies)
    return tallies
  }

  /** Drops the counters of a destroyed bucket. */
  forgetBucket(name: string): void {
    this.#buckets.delete(name)
    this.#reads.forget('bucket', name)
    this.#readBytes.forget('bucket', name)
    this.#writtenBytes.forget('bucket', name)
  }

  /** The counters of an operation at a backend; ask once and keep them. */
  backend(backend: string, operation: string): BackendTallies {
    const bytes = (direction: 'received' | 'sent'): Tally =>
      this.#backendBytes.tally({ backend, operation, direction })
    return {
      outcome: (outcome) => this.#backendRequests.tally({ backend, operation, outcome }),
      receivedBytes: bytes('received'),
      sentBytes: bytes('sent'),
      duration: this.#backendTimes.tally({ backend, operation }),
    }
  }

  /** Counts an attempt after the first. */
  countBackendRetry(backend: string): void {
    this.#backendRetries.tally({ backend }).add(1)
  }

  /** Counts the seeks of one page of a listing from the index. */
  countListSeeks(seeks: number): void {
    this.#listSeeks.add(seeks)
  }

  /** Counts what was found damaged on disk, where it is found. */
  countDamage(what: 'object' | 'journal' | 'index'): void {
    this.#damaged.tally({ what }).add(1)
  }

  countEviction(
    reason: 'space' | 'expired' | 'request' | 'stale' | 'corrupt',
    bytes: number,
    objectCount = 1,
  ): void {
    this.#evicted.tally({ reason }).add(objectCount)
    this.#evictedBytes.tally({ reason }).add(bytes)
  }

  /** Connects the gauges of the running node; call once. */
  connect(sources: GaugeSources): void {
    const { registry } = this
    addGauge(registry, 'forebay_objects', {
      help: 'Objects with a record in the index.',
      read: sources.objectCount,
    })
    addGauge(registry, 'forebay_unsettled_keys', {
      help: 'Keys whose last write at the backend has an unknown outcome.',
      read: sources.unsettledCount,
    })
    addGauge(registry, 'forebay_connections', {
      help: 'Client connections held open.',
      read: sources.connectionCount,
    })
    addMountpathGauges(registry, sources)
    addLoopGauges(registry, sources)
    addMountpathStates(registry, sources)
  }

  /** Connects the gauges of buckets, of which `BUCKET_LABELS_MAX` are told; call once. */
  connectBuckets(read: () => readonly BucketRoom[]): void {
    addBucketGauge(this.registry, 'forebay_bucket_used_bytes', {
      help: 'Bytes on disk that the objects of a bucket take.',
      read: () => read().map(({ bucket, usedBytes }) => [bucket, usedBytes] as const),
    })
    addBucketGauge(this.registry, 'forebay_bucket_quota_bytes', {
      help: 'Bytes on disk that the objects of a bucket may take, where it has a quota.',
      read: () =>
        read()
          .filter(({ quotaBytes }) => Number.isFinite(quotaBytes))
          .map(({ bucket, quotaBytes }) => [bucket, quotaBytes] as const),
    })
  }

  /** Connects the gauge of backends that cannot be reached; call once. */
  connectCircuits(read: CircuitSources): void {
    new Gauge({
      name: 'forebay_backend_circuit',
      help: 'Whether requests to a backend are let through: 0 all, 1 a few (it answers again), 2 none (it is down).',
      labelNames: ['backend'],
      registers: [this.registry],
      collect() {
        this.reset()
        for (const [backend, { state }] of read()) {
          this.set({ backend }, state === 'closed' ? 0 : state === 'ramp' ? 1 : 2)
        }
      },
    })
  }

  #makeBucket(bucket: string): BucketTallies {
    const read = (status: ReadStatus): Tally => this.#reads.tally({ bucket, status })
    return {
      reads: {
        hit: read('hit'),
        miss: read('miss'),
        partial: read('partial'),
        stale: read('stale'),
        revalidated: read('revalidated'),
        bypass: read('bypass'),
      },
      cacheBytes: this.#readBytes.tally({ bucket, source: 'cache' }),
      backendBytes: this.#readBytes.tally({ bucket, source: 'backend' }),
      writtenBytes: this.#writtenBytes.tally({ bucket }),
    }
  }

  #addOperation(operation: string): RequestTallies {
    const byClass = ['other', '1xx', '2xx', '3xx', '4xx', '5xx'].map((status) =>
      this.#requests.tally({ operation, status }),
    )
    const tallies = { byClass, duration: this.#requestTimes.tally({ operation }) }
    this.#operations.set(operation, tallies)
    return tallies
  }
}

/** All metrics in Prometheus text format 0.0.4, with the content type to answer. */
export async function renderMetrics(
  metrics: Metrics,
): Promise<{ readonly contentType: string; readonly text: string }> {
  return { contentType: metrics.registry.contentType, text: await metrics.registry.metrics() }
}

function addGauge(
  registry: Registry,
  name: string,
  gauge: { readonly help: string; readonly read: () => number },
): void {
  new Gauge({
    name,
    help: gauge.help,
    registers: [registry],
    collect() {
      this.set(gauge.read())
    },
  })
}

function addBucketGauge(
  registry: Registry,
  name: string,
  gauge: {
    readonly help: string
    readonly read: () => readonly (readonly [bucket: string, bytes: number])[]
  },
): void {
  new Gauge({
    name,
    help: gauge.help,
    labelNames: ['bucket'],
    registers: [registry],
    collect() {
      this.reset()
      for (const [bucket, bytes] of gauge.read().slice(0, BUCKET_LABELS_MAX)) {
        this.set({ bucket }, bytes)
      }
    },
  })
}

function addMountpathGauges(registry: Registry, sources: GaugeSources): void {
  new Gauge({
    name: 'forebay_mountpath_used_bytes',
    help: 'Bytes that objects take on a mountpath.',
    labelNames: ['mountpath'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { path, usedBytes } of sources.mountpaths())
        this.set({ mountpath: path }, usedBytes)
    },
  })
  new Gauge({
    name: 'forebay_mountpath_capacity_bytes',
    help: 'Bytes that a mountpath may hold.',
    labelNames: ['mountpath'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { path, capacityBytes } of sources.mountpaths()) {
        this.set({ mountpath: path }, capacityBytes)
      }
    },
  })
}

function addMountpathStates(registry: Registry, sources: GaugeSources): void {
  new Gauge({
    name: 'forebay_mountpath_in_service',
    help: 'State of a mountpath: 1 where it is in service, 0 for one that is disabled or failed.',
    labelNames: ['mountpath', 'state'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { path, state } of sources.mountpaths()) {
        this.set({ mountpath: path, state }, state === 'enabled' || state === 'draining' ? 1 : 0)
      }
    },
  })
  new Gauge({
    name: 'forebay_mountpath_errors',
    help: 'Errors of the disk of a mountpath since the start.',
    labelNames: ['mountpath'],
    registers: [registry],
    collect() {
      this.reset()
      for (const { path, errorCount } of sources.mountpaths()) {
        this.set({ mountpath: path }, errorCount)
      }
    },
  })
}

function addLoopGauges(registry: Registry, sources: GaugeSources): void {
  new Gauge({
    name: 'forebay_loop_delay_seconds',
    help: 'Delay of the event loop over the last ten seconds.',
    labelNames: ['statistic'],
    registers: [registry],
    collect() {
      const { p50, p99, max } = sources.loopDelay()
      this.set({ statistic: 'p50' }, p50)
      this.set({ statistic: 'p99' }, p99)
      this.set({ statistic: 'max' }, max)
    },
  })
}

function addProcessGauges(registry: Registry, version: string): void {
  addGauge(registry, 'forebay_uptime_seconds', {
    help: 'Time since the process started.',
    read: () => process.uptime(),
  })
  addGauge(registry, 'forebay_resident_memory_bytes', {
    help: 'Resident memory of the process.',
    read: () => process.memoryUsage.rss(),
  })
  new Gauge({
    name: 'forebay_open_fds',
    help: 'Open file descriptors of the process.',
    registers: [registry],
    async collect() {
      this.set(await countDescriptors())
    },
  })
  new Gauge({
    name: 'forebay_build_info',
    help: 'Always 1; the labels say what is running.',
    labelNames: ['version', 'node'],
    registers: [registry],
  }).set({ version, node: process.versions.node }, 1)
}

/** NaN where the system has no /proc: Prometheus reads it as "not known". */
async function countDescriptors(): Promise<number> {
  try {
    return (await readdir('/proc/self/fd')).length
  } catch {
    return Number.NaN
  }
}
