import assert from 'node:assert/strict'
import type { Clock } from '@forebay/base/clock'
import type { JobEngine, JobWorker, Lease, ListedStep, ListStep, PageDelivery } from '../engine.ts'
import type { ItemFailure, JobItem, JobOrder, JobPage, JobRecord, PageOutcome } from '../job.ts'
import type { JobStore } from './case.ts'

/** How long something that must come may take, real milliseconds. */
const COMES_WITHIN_MS = 60_000

/** How a test looks again: time that passes between. */
const LOOK_EVERY_MS = 50

/** What a worker makes of an item; what is thrown concerns the page. */
export type Fate = 'done' | 'skipped' | 'failed'

export interface WorldOptions {
  /** Items of every job. */
  readonly items?: number
  /** Items that a step of the list finds. */
  readonly step?: number
  /** Items of a page; all of a step by default. */
  readonly page?: number
  /** Nodes that pages are for, in turns. */
  readonly owners?: readonly string[]
  readonly pagesAtOnce?: number
}

/** What workers see and do, of all nodes of a store: an origin to be listed, and a log of effects. */
export class World {
  readonly clock: Clock
  readonly items: number
  readonly pagesAtOnce: number
  /** Called before each item; gives its fate, done unless it says otherwise. */
  onItem: (item: JobItem, delivery: PageDelivery) => Promise<void> | Fate = () => 'done'
  /** Called before each step of a list. */
  onList: (step: ListStep) => Promise<void> | void = () => undefined
  onEnd: (job: JobRecord) => Promise<void> | void = () => undefined
  /** What each page that is done says of the job: that no other item would fare better. */
  endsJob: string | undefined
  /** Steps of lists: job and first item. */
  readonly steps: { readonly job: string; readonly first: number }[] = []
  readonly deliveries: { readonly page: JobPage; readonly saved: PageOutcome | undefined }[] = []
  readonly leases: Lease[] = []
  /** Effects by job and key, `job/key`. */
  readonly effects = new Map<string, number>()
  /** Largest numbers of what was under way at once. */
  listersMax = 0
  deliveriesMax = 0
  /** Owner of the worker, and of the page that it was given. */
  readonly misdirected: string[] = []
  readonly #step: number
  readonly #page: number
  readonly #owners: readonly string[] | undefined
  readonly #listers = new Map<string, number>()

  constructor(clock: Clock, options: WorldOptions = {}) {
    const { items = 10, step = 10, pagesAtOnce = 4 } = options
    this.clock = clock
    this.items = items
    this.pagesAtOnce = pagesAtOnce
    this.#step = step
    this.#page = options.page ?? step
    this.#owners = options.owners
  }

  effectsOf(job: string): readonly number[] {
    return Array.from(
      { length: this.items },
      (_, at) => this.effects.get(`${job}/${keyOf(at)}`) ?? 0,
    )
  }

  /** A worker of a node; `stop` is what happens to it when the node is killed. */
  worker(owner: string): { readonly worker: JobWorker; stop(): void } {
    const life = new Life()
    let deliveries = 0
    const worker: JobWorker = {
      owner,
      pagesAtOnce: this.pagesAtOnce,
      list: async (step) => {
        await life.of(Promise.resolve())
        return await life.of(this.#list(step, owner, life))
      },
      apply: async (delivery) => {
        await life.of(Promise.resolve())
        deliveries += 1
        this.deliveriesMax = Math.max(this.deliveriesMax, deliveries)
        try {
          return await life.of(this.#apply(delivery, owner, life))
        } finally {
          deliveries -= 1
        }
      },
      end: async ({ job }) => {
        await life.of(Promise.resolve())
        await life.of(Promise.resolve(this.onEnd(job)))
        return { items: job.listing.items }
      },
    }
    return { worker, stop: () => life.end() }
  }

  async #list(step: ListStep, owner: string, life: Life): Promise<ListedStep> {
    const first = Number(step.cursor ?? 0)
    const { id } = step.job
    this.leases.push(step.lease)
    this.steps.push({ job: id, first })
    const listers = (this.#listers.get(id) ?? 0) + 1
    this.#listers.set(id, listers)
    this.listersMax = Math.max(this.listersMax, listers)
    // Who was killed lists no more.
    life.onEnd(() => this.#listers.set(id, 0))
    try {
      await this.onList(step)
    } finally {
      if (!life.isOver) this.#listers.set(id, (this.#listers.get(id) ?? 1) - 1)
    }
    const end = Math.min(this.items, first + this.#step)
    const owners = this.#owners ?? [owner]
    const pages = []
    for (let at = first; at < end; at += this.#page) {
      const items = itemsOf(at, Math.min(end, at + this.#page))
      pages.push({ owner: owners[pages.length % owners.length] ?? owner, items })
    }
    return { pages, cursor: end < this.items ? String(end) : undefined }
  }

  async #apply(delivery: PageDelivery, owner: string, life: Life): Promise<PageOutcome> {
    const { page, saved, lease } = delivery
    this.leases.push(lease)
    this.deliveries.push({ page, saved })
    if (page.owner !== owner) this.misdirected.push(`${page.owner} at ${owner}`)
    const settled = new Set(saved?.settled)
    const failures: ItemFailure[] = [...(saved?.failures ?? [])]
    const counts = {
      done: saved?.done ?? 0,
      skipped: saved?.skipped ?? 0,
      bytes: saved?.bytes ?? 0,
    }
    const outcome = (): PageOutcome => ({
      ...counts,
      settled: [...settled].sort((first, second) => first - second),
      failures: [...failures],
    })
    for (const [at, item] of page.items.entries()) {
      if (settled.has(at)) continue
      const fate = (await life.of(Promise.resolve(this.onItem(item, delivery)))) ?? 'done'
      lease.check()
      const name = `${page.jobId}/${item.key}`
      this.effects.set(name, (this.effects.get(name) ?? 0) + 1)
      settled.add(at)
      if (fate === 'failed') failures.push({ ...REFUSED, key: item.key, item })
      else counts[fate] += 1
      if (fate === 'done') counts.bytes += item.sizeBytes ?? 0
      delivery.save(outcome())
    }
    return { ...outcome(), endsJob: this.endsJob }
  }
}

/** How every item that fails does. */
export const REFUSED = { code: 'backend-refused', message: 'the store refuses this one' } as const

export const ITEM_BYTES = 3

/** Keys in the order of their bytes. */
export function keyOf(at: number): string {
  return `k${String(at).padStart(6, '0')}`
}

export function itemsOf(first: number, end: number): readonly JobItem[] {
  return Array.from({ length: end - first }, (_, at) => ({
    key: keyOf(first + at),
    version: { etag: `"${first + at}"`, lastModifiedMs: 1000 },
    sizeBytes: ITEM_BYTES,
  }))
}

export const ORDER: JobOrder = {
  kind: 'prefetch',
  bucket: { provider: 'aws', namespace: { uuid: '', name: '' }, name: 'photos' },
  args: { prefix: 'k', latest: true },
  description: 'for the morning',
  user: 'ada',
  limits: { concurrency: 4 },
}

/** A node at work. */
export interface Node {
  readonly engine: JobEngine
  kill(): Promise<void>
}

export async function startNode(store: JobStore, world: World, nodeId = 'node-a'): Promise<Node> {
  const { worker, stop } = world.worker(nodeId)
  const opened = await store.open(nodeId)
  await opened.engine.work(worker)
  return {
    engine: opened.engine,
    kill: async () => {
      stop()
      await opened.kill()
    },
  }
}

/** Waits until something is so; time passes meanwhile. */
export async function until(
  store: JobStore,
  what: string,
  isSo: () => boolean | Promise<boolean>,
): Promise<void> {
  const endMs = performance.now() + COMES_WITHIN_MS
  while (!(await isSo())) {
    if (performance.now() > endMs) assert.fail(`did not come: ${what}`)
    await store.pass(LOOK_EVERY_MS)
  }
}

/** The job when it has ended. */
export async function ended(store: JobStore, engine: JobEngine, id: string): Promise<JobRecord> {
  let job: JobRecord | undefined
  await until(store, `the end of job ${id}`, async () => {
    job = await engine.get(id)
    return job?.endedMs !== undefined
  })
  assert.ok(job)
  return job
}

/** The job as it is. */
export async function told(engine: JobEngine, id: string): Promise<JobRecord> {
  const job = await engine.get(id)
  assert.ok(job, `job ${id} is there`)
  return job
}

export async function allFailures(
  engine: JobEngine,
  id: string,
  max = 100,
): Promise<readonly ItemFailure[]> {
  const failures: ItemFailure[] = []
  let after: string | undefined
  do {
    const page = await engine.failures(id, { after, max })
    assert.ok(page.failures.length <= max)
    failures.push(...page.failures)
    after = page.next
  } while (after !== undefined)
  return failures
}

/** Refusal with this code. */
export async function refused(work: Promise<unknown>, code: string): Promise<void> {
  await assert.rejects(work, (error: unknown) => {
    assert.ok(error instanceof Error && 'code' in error)
    assert.equal(error.code, code, error.message)
    return true
  })
}

/** Something to wait at until the test opens it. */
export class Gate {
  readonly #opened = Promise.withResolvers<void>()
  waiting = 0

  async pass(signal: AbortSignal): Promise<void> {
    this.waiting += 1
    const left = Promise.withResolvers<never>()
    const leave = (): void => left.reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
    try {
      signal.throwIfAborted()
      await Promise.race([this.#opened.promise, left.promise])
    } finally {
      this.waiting -= 1
      signal.removeEventListener('abort', leave)
    }
  }

  open(): void {
    this.#opened.resolve()
  }
}

/** Of one process: after its end nothing that it began comes back. */
class Life {
  isOver = false
  readonly #mourners: (() => void)[] = []

  end(): void {
    this.isOver = true
    for (const mourn of this.#mourners) mourn()
  }

  onEnd(mourn: () => void): void {
    this.#mourners.push(mourn)
  }

  of<T>(work: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      work.then(
        (value) => this.isOver || resolve(value),
        (error: unknown) => this.isOver || reject(error),
      )
    })
  }
}
