/** An engine whose worker has nothing to do: what is left is what the engine costs. */
import { join } from 'node:path'
import { systemClock } from '@forebay/base/clock'
import { BullmqEngine } from '@forebay/jobs/bullmq/bullmq-engine'
import { parseRedisUrl } from '@forebay/jobs/bullmq/redis-address'
import { EmbeddedEngine } from '@forebay/jobs/embedded/embedded-engine'
import { type JobEngine, type JobWorker, PAGE_ITEMS_MAX } from '@forebay/jobs/engine'
import { JOB_ENDS, type JobItem } from '@forebay/jobs/job'
import { keyAt } from './counting-origin.ts'
import { serveOrders } from './helper-process.ts'

/** How often the job is looked at, ms. */
const LOOK_MS = 50

const PAGES_AT_ONCE = 4

export type EngineOrder =
  | { readonly kind: 'open'; readonly folder: string; readonly redisUrl?: string | undefined }
  /** Makes the list of so many objects: a store's part, not the engine's. */
  | { readonly kind: 'list'; readonly objects: number }
  /** A job of the objects that were listed, from its order to its end. */
  | { readonly kind: 'work' }
  | { readonly kind: 'close' }

const OWNER = 'idle-node'

let engine: JobEngine | undefined
let listed: readonly JobItem[] = []

const worker: JobWorker = {
  owner: OWNER,
  pagesAtOnce: PAGES_AT_ONCE,
  list: async ({ cursor }) => {
    const from = Number(cursor ?? 0)
    const end = from + PAGE_ITEMS_MAX
    const items = listed.slice(from, end)
    return {
      pages: [{ owner: OWNER, items }],
      cursor: end < listed.length ? String(end) : undefined,
    }
  },
  apply: async ({ page: { items } }) => ({
    settled: items.map((_, at) => at),
    done: items.length,
    skipped: 0,
    bytes: 4096 * items.length,
    failures: [],
  }),
  end: async () => undefined,
}

serveOrders<EngineOrder>(async (order) => {
  switch (order.kind) {
    case 'open':
      engine = await open(order)
      return engine.work(worker)
    case 'list':
      listed = Array.from({ length: order.objects }, (_, at) => itemAt(at))
      return
    case 'work':
      return doJob()
    case 'close':
      return engine?.close()
    default:
      return order satisfies never
  }
})

async function open({ folder, redisUrl }: EngineOrder & { kind: 'open' }): Promise<JobEngine> {
  const clock = systemClock
  if (redisUrl === undefined) return EmbeddedEngine.open({ folder, clock })
  const address = parseRedisUrl(redisUrl)
  return BullmqEngine.open({ address, clock, nodeId: OWNER, ledgerPath: join(folder, 'ledger') })
}

async function doJob(): Promise<void> {
  const { id } = (await engine?.submit({ kind: 'prefetch', args: {} })) ?? { id: '' }
  for (;;) {
    const job = await engine?.get(id)
    if (job === undefined) throw new Error(`job ${id} is not known any more`)
    if (JOB_ENDS.has(job.state)) {
      if (job.state === 'finished' && job.counters.done === listed.length) return
      throw new Error(`the job is ${job.state}: ${JSON.stringify(job.counters)} ${job.error}`)
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
  }
}

/** As a list of a store tells it. */
function itemAt(position: number): JobItem {
  const etag = position.toString(16).padStart(32, '0')
  return {
    key: keyAt(position),
    version: { etag, lastModifiedMs: 1_785_578_400_000 + position },
    sizeBytes: 4096,
  }
}
