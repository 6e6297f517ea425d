import { join } from 'node:path'
import { FaultNode } from '../faults/fault-node.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, CountingOrigin, keyAt } from './counting-origin.ts'
import { JobApi } from './prefetch-run.ts'

/** Time that the pace is given to find its place, ms. */
const SETTLE_MS = 5000

export type YieldOptions = {
  /** How long users are watched without and with the job, ms. */
  readonly watchMs: number
  /** Reads of absent objects in a second, begun whether or not the ones before have ended. */
  readonly readsPerSecond: number
  /** What the origin serves at once, and how long it takes for one, ms. */
  readonly places: number
  readonly serviceMs: number
}

/** How long users waited for their first byte, ms. */
export type Waits = { readonly count: number; readonly p50: number; readonly p99: number }

export type YieldReport = {
  readonly idle: Waits
  readonly busy: Waits
  /** Objects a second that the prefetch brought while users read, and without them. */
  readonly besideUsers: number
  readonly alone: number
  /** What the origin serves at most, objects a second. */
  readonly originMost: number
}

/**
 * Users who read objects that are not in the cache, from an origin with few places, first alone and then
 * beside a prefetch that would take all of them.
 */
export async function yieldRun(options: YieldOptions): Promise<YieldReport> {
  const { watchMs, places, serviceMs } = options
  const folder = await temporaryFolder('yield')
  // Users read from the upper half; the job from the lower one.
  const half = 500_000
  const origin = await CountingOrigin.start({
    ...{ objects: 2 * half, objectBytes: 4096, serviceMs, places },
  })
  const node = new FaultNode({ dataDir: join(folder.path, 'node'), originUrl: origin.url })
  try {
    const { server } = await node.start()
    const api = new JobApi(server.url)
    const users = new Users(server.url, half)
    await users.watch(1000, options.readsPerSecond)
    const idle = await users.watch(watchMs, options.readsPerSecond)
    const { id } = await api.start({
      ...{ kind: 'prefetch', bucket: `aws://${BUCKET}` },
      args: { template: `k/{0000000..${String(half - 1).padStart(7, '0')}}` },
    })
    await users.watch(SETTLE_MS, options.readsPerSecond)
    const before = (await api.get(id)).counters.done
    const busy = await users.watch(watchMs, options.readsPerSecond)
    const between = (await api.get(id)).counters.done
    await wait(SETTLE_MS)
    const from = (await api.get(id)).counters.done
    await wait(SETTLE_MS)
    const until = (await api.get(id)).counters.done
    await api.post(`/v1/jobs/${id}/abort`)
    return {
      ...{ idle, busy },
      besideUsers: ((between - before) * 1000) / watchMs,
      alone: ((until - from) * 1000) / SETTLE_MS,
      originMost: (places * 1000) / serviceMs,
    }
  } finally {
    await node.kill()
    await origin.close()
    await folder.remove()
  }
}

/** Users who read one new object after the other. */
class Users {
  readonly #url: string
  #position: number

  constructor(url: string, position: number) {
    this.#url = url
    this.#position = position
  }

  async watch(forMs: number, perSecond: number): Promise<Waits> {
    const waits: number[] = []
    const reads: Promise<void>[] = []
    const startedAt = performance.now()
    for (let at = 0; at < (forMs * perSecond) / 1000; at++) {
      const dueMs = startedAt + (at * 1000) / perSecond - performance.now()
      if (dueMs > 0) await wait(dueMs)
      reads.push(this.#read(waits))
    }
    await Promise.all(reads)
    const sorted = waits.toSorted((a, b) => a - b)
    const quantile = (q: number): number => sorted[Math.floor((sorted.length - 1) * q)] ?? 0
    return { count: sorted.length, p50: quantile(0.5), p99: quantile(0.99) }
  }

  async #read(waits: number[]): Promise<void> {
    const startedAt = performance.now()
    const response = await fetch(`${this.#url}/${BUCKET}/${keyAt(this.#position++)}`)
    waits.push(performance.now() - startedAt)
    if (response.status !== 200) throw new Error(`a read was answered ${response.status}`)
    await response.arrayBuffer()
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
