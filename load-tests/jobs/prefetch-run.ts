import { join } from 'node:path'
import { FaultNode } from '../faults/fault-node.ts'
import { Random } from '../faults/random.ts'
import { type RedisServer, startRedis } from '../testkit/redis-servers.ts'
import { temporaryFolder } from '../testkit/servers.ts'
import { BUCKET, CountingOrigin, keyAt } from './counting-origin.ts'

/** How often a job is looked at, ms. */
const LOOK_MS = 50

/** A job that makes no progress for so long is stuck, ms. */
const STUCK_MS = 60_000

export type PrefetchOptions = {
  readonly seed: number
  readonly objects: number
  readonly objectBytes: number
  /** SIGKILLs of the node, at seeded places of the job. */
  readonly kills: number
  /** Objects that the origin refuses until the retry. */
  readonly failing: number
  /** How long the origin takes for one object, ms. */
  readonly serviceMs?: number
  /** Jobs are kept in a Valkey, which is killed and started again with the node every other time. */
  readonly inRedis?: boolean
  readonly say?: (line: string) => void
}

/** What a job of the API tells, as far as it is looked at. */
type View = {
  readonly id: string
  readonly state: string
  readonly attempt: number
  readonly error: string | null
  readonly listing: { readonly items: number; readonly pages: number; readonly complete: boolean }
  readonly counters: {
    readonly done: number
    readonly skipped: number
    readonly failed: number
    readonly bytes: number
  }
}

export type PrefetchReport = {
  readonly first: View
  readonly retried: View | undefined
  /** Keys of the failures that were told, in their order, and those of the objects that were refused. */
  readonly toldFailures: readonly string[]
  readonly refused: readonly string[]
  /** LISTs at the origin until the first end. */
  readonly listCount: number
  /** Objects that were read more than once, counted as often as that is too often. */
  readonly readTwice: number
  readonly neverRead: number
  readonly kills: number
  readonly milliseconds: number
  /** Of an evict of everything afterwards. */
  readonly evicted: View
  /** Of the node, told to stop while it works on one more prefetch. */
  readonly exitStatus: number | null
}

/** A prefetch of a whole bucket whose node is killed midway, and a retry of what failed. */
export async function prefetchRun(options: PrefetchOptions): Promise<PrefetchReport> {
  const { seed, objects, say } = options
  const random = new Random(seed, 'prefetch')
  const folder = await temporaryFolder('prefetch')
  const origin = await CountingOrigin.start(options)
  let redis = options.inRedis === true ? await keepJobs(folder.path) : undefined
  const node = new FaultNode({
    ...{ dataDir: join(folder.path, 'node'), originUrl: origin.url },
    ...(redis === undefined ? {} : { config: { redisUrl: redis.redisUrl } }),
  })
  try {
    while (origin.refused.size < options.failing) origin.refused.add(keyAt(random.below(objects)))
    const refused = [...origin.refused].sort()
    let api = new JobApi((await node.start()).server.url)
    const startedAt = performance.now()
    const { id } = await api.start({ kind: 'prefetch', bucket: `aws://${BUCKET}`, args: {} })
    let kills = 0
    for (const place of places(random, options)) {
      const view = await api.until(id, (job) => settled(job) >= place || isOver(job))
      if (isOver(view)) break
      await node.kill()
      kills += 1
      if (redis !== undefined && kills % 2 === 0) {
        await redis.kill9()
        redis = await keepJobs(folder.path, redis.port)
      }
      say?.(`killed at ${settled(view)} of ${objects}`)
      api = new JobApi((await node.start()).server.url)
    }
    const first = await api.until(id, isOver)
    const milliseconds = performance.now() - startedAt
    const { listCount } = origin
    const toldFailures = await api.failures(id)
    origin.refused.clear()
    let retried: View | undefined
    if (first.state === 'failed') {
      await api.post(`/v1/jobs/${id}/retry`)
      retried = await api.until(id, isOver)
    }
    const counts = Array.from({ length: objects }, (_, at) => origin.reads.get(keyAt(at)) ?? 0)
    const bucket = `aws://${BUCKET}`
    const evict = await api.start({ kind: 'evict', bucket, args: {} })
    const evicted = await api.until(evict.id, isOver)
    await api.start({ kind: 'prefetch', bucket, args: { prefix: 'k/' } })
    const exitStatus = await node.stop()
    return {
      ...{ first, retried, toldFailures, refused, listCount, kills, milliseconds },
      ...{ evicted, exitStatus },
      readTwice: counts.reduce((sum, count) => sum + Math.max(0, count - 1), 0),
      neverRead: counts.filter((count) => count === 0).length,
    }
  } finally {
    await node.kill()
    await origin.close()
    await redis?.kill9()
    await folder.remove()
  }
}

/** A Valkey that has on disk what it acknowledged. */
function keepJobs(folder: string, port?: number): Promise<RedisServer> {
  return startRedis({ folder: join(folder, 'valkey'), ...(port === undefined ? {} : { port }) })
}

/** Where in the job the node is killed: settled items, ascending, and early enough that it is still on. */
function places(random: Random, { kills, objects }: PrefetchOptions): readonly number[] {
  return Array.from({ length: kills }, () => random.below(Math.floor(objects * 0.7))).sort(
    (a, b) => a - b,
  )
}

function settled({ counters }: View): number {
  return counters.done + counters.skipped + counters.failed
}

/** True where a job has come to its end, whatever it is. */
export function isOver({ state }: { readonly state: string }): boolean {
  return ['finished', 'failed', 'aborted', 'lost'].includes(state)
}

/** The jobs of a node over its API. */
export class JobApi {
  readonly #url: string

  constructor(url: string) {
    this.#url = url
  }

  start(order: Readonly<Record<string, unknown>>): Promise<View> {
    return this.post('/v1/jobs', order)
  }

  get(id: string): Promise<View> {
    return this.#ask(`/v1/jobs/${id}`)
  }

  post(path: string, body?: unknown): Promise<View> {
    return this.#ask(path, {
      method: 'POST',
      ...(body === undefined
        ? {}
        : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
  }

  /** The keys of all failures, in the order in which they are told. */
  async failures(id: string): Promise<readonly string[]> {
    const keys: string[] = []
    let after = ''
    do {
      const page = await this.#ask<{
        readonly failures: readonly { readonly key: string }[]
        readonly next?: string | null
      }>(`/v1/jobs/${id}/failures?max=100${after}`)
      keys.push(...page.failures.map(({ key }) => key))
      const { next } = page
      after = typeof next === 'string' ? `&after=${encodeURIComponent(next)}` : ''
    } while (after !== '')
    return keys
  }

  /** Waits until the job is as wanted. @throws Error when nothing changes for a minute */
  async until(id: string, isWanted: (job: View) => boolean): Promise<View> {
    let before = ''
    let changedAt = performance.now()
    for (;;) {
      const job = await this.get(id)
      if (isWanted(job)) return job
      const now = JSON.stringify([job.state, job.counters, job.listing])
      if (now !== before) changedAt = performance.now()
      before = now
      if (performance.now() - changedAt > STUCK_MS) throw new Error(`the job is stuck: ${now}`)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  /** Waits until the job can be asked for again. */
  async returns(id: string): Promise<void> {
    const deadline = performance.now() + STUCK_MS
    while ((await this.get(id).catch(() => undefined)) === undefined) {
      if (performance.now() > deadline) throw new Error('the engine of jobs does not come back')
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS))
    }
  }

  async #ask<T = View>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await fetch(`${this.#url}${path}`, init)
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
    const answer: T = JSON.parse(await response.text())
    return answer
  }
}
