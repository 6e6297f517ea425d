/**
 * How a node does the work of jobs, top to bottom: which kind it is, one page after the other item by
 * item as the pace and the bounds of the job allow, and what became of each.
 */
import { isRefusedByCircuit } from '@forebay/backend-port/circuit'
import { Failure, type FailureCode, isFailure } from '@forebay/base/failure'
import type { JobWorker, Lease, ListedStep, ListStep, PageDelivery } from '@forebay/jobs/engine'
import type { JobItem, JobRecord, JsonObject, PageOutcome } from '@forebay/jobs/job'
import { itemPauseMs } from './item-pause.ts'
import type { JobGate, JobLimiter } from './job-limits.ts'
import type { JobPace } from './job-pace.ts'
import type { ItemFlow, ItemResult, JobContext, KindWork } from './kind-work.ts'
import { PageProgress } from './page-progress.ts'

/** How often the place in a page is handed on, ms: a part of what the engine keeps once a second. */
const SAVE_MS = 250

/** How often an item is tried, where another try may help. */
const ITEM_TRIES_MAX = 3

/** The same where it only has to wait for its turn: room that is being made, a key that is in use. */
const ITEM_TURNS_MAX = 8

const WAITS_FOR_TURN = ['slow-down', 'object-busy', 'backend-throttled'] as const

/** What no other item of the job would fare better with: the job is over. */
const ENDS_JOB = [
  'out-of-space',
  'bucket-not-found',
  'bucket-not-remote',
  'budget-spent',
  'not-implemented',
] as const

/** Counts where the acts happen; the composition turns them into metrics. */
export interface JobObserver {
  /** An item was settled; `bytes` of it were moved. */
  item(kind: string, outcome: 'done' | 'skipped' | 'failed', bytes: number): void
  /** A page was begun (1) or left (-1). */
  pages(kind: string, change: 1 | -1): void
  /** Something an operator should see. */
  warn(event: string, facts: Readonly<Record<string, unknown>>): void
}

export interface NodeJobWorkerOptions {
  readonly context: JobContext
  readonly works: readonly KindWork[]
  readonly pace: JobPace
  readonly limiter: JobLimiter
  readonly pagesAtOnce: number
  readonly observer: JobObserver
  /** 0..1: spreads what is tried again. */
  readonly random?: (() => number) | undefined
}

/** One page under way. */
interface Page {
  readonly work: KindWork
  readonly delivery: PageDelivery
  readonly progress: PageProgress
  readonly gate: JobGate
  /** Why the page goes no further; the items that are under way come to their end. */
  stopped: { readonly error: unknown } | undefined
}

/** One item that may begin. */
interface Place {
  readonly item: JobItem
  /** Ends its part in the bounds of the job, with the bytes that it moved. */
  leave(movedBytes: number): void
  /** Ends its part in the pace of the node. */
  giveBack(): void
}

/** Does the work of jobs on this node. */
export class NodeJobWorker implements JobWorker {
  readonly owner: string
  readonly pagesAtOnce: number
  readonly #options: NodeJobWorkerOptions
  readonly #works: ReadonlyMap<string, KindWork>

  constructor(options: NodeJobWorkerOptions) {
    this.#options = options
    this.owner = options.context.nodeId
    this.pagesAtOnce = options.pagesAtOnce
    this.#works = new Map(options.works.map((work) => [work.name, work]))
  }

  async list(step: ListStep): Promise<ListedStep> {
    return this.#workOf(step.job).list(this.#options.context, step)
  }

  async end(step: {
    readonly job: JobRecord
    readonly lease: Lease
  }): Promise<JsonObject | undefined> {
    return this.#workOf(step.job).end?.(this.#options.context, step)
  }

  /**
   * Items begin in their order; with a concurrency of 1 each after the end of the one before.
   *
   * @throws the lease's reason; Failure of a backend that is away: the page comes again, for the items
   *   that are not settled
   */
  async apply(delivery: PageDelivery): Promise<PageOutcome> {
    const { job, page: jobPage, saved, lease } = delivery
    const { observer, limiter } = this.#options
    const page: Page = {
      work: this.#workOf(job),
      delivery,
      progress: new PageProgress(jobPage, saved),
      gate: limiter.join(job.id, job.limits),
      stopped: undefined,
    }
    observer.pages(job.kind, 1)
    try {
      await this.#applyItems(page)
    } finally {
      page.gate.leave()
      observer.pages(job.kind, -1)
      delivery.save(page.progress.outcome())
    }
    if (page.stopped === undefined) return page.progress.outcome()
    lease.signal.throwIfAborted()
    const { error } = page.stopped
    if (!isFailure(error, ...ENDS_JOB)) throw error
    // What nobody tried is told of as well, so that a retry takes it up.
    for (const at of jobPage.items.keys()) page.progress.fail(at, reasonOf(error))
    return { ...page.progress.outcome(), endsJob: error.message }
  }

  async #applyItems(page: Page): Promise<void> {
    const { items } = page.delivery.page
    const running = new Set<Promise<void>>()
    try {
      for (const [at, item] of items.entries()) {
        if (page.progress.isSettled(at)) continue
        const place = await this.#takePlace(page, item)
        if (page.stopped !== undefined) {
          place.giveBack()
          place.leave(0)
          break
        }
        const applying = this.#applyItem(page, at, place).then((bytes) =>
          // What flowed was spent while it came.
          place.leave(page.work.flows === true ? 0 : bytes),
        )
        running.add(applying)
        void applying.then(() => running.delete(applying))
      }
    } finally {
      await Promise.all(running)
    }
  }

  /** One at a time for each page: so pages, and with them jobs, take turns. */
  async #takePlace({ gate, delivery, work }: Page, item: JobItem): Promise<Place> {
    const { signal } = delivery.lease
    const leave = await gate.enter(work.flows === true ? 0 : (item.sizeBytes ?? 0), signal)
    try {
      return { item, leave, giveBack: await this.#options.pace.acquire(signal) }
    } catch (error) {
      leave(0)
      throw error
    }
  }

  /** Never throws. @returns the bytes that were moved */
  async #applyItem(page: Page, at: number, place: Place): Promise<number> {
    const { job, lease } = page.delivery
    const { observer } = this.#options
    const { item } = place
    try {
      const result = await this.#tryItem(page, at, place)
      page.progress.settle(at, result)
      const bytes = result.kind === 'done' ? result.bytes : 0
      observer.item(job.kind, result.kind, bytes)
      this.#save(page)
      return bytes
    } catch (error) {
      page.progress.begin(at)
      if (lease.signal.aborted || stopsPage(error)) {
        page.stopped ??= { error }
        return 0
      }
      if (!isFailure(error)) {
        observer.warn('an item of a job failed unexpectedly', {
          jobId: job.id,
          key: item.key,
          error,
        })
      }
      page.progress.fail(at, reasonOf(error))
      observer.item(job.kind, 'failed', 0)
      this.#save(page)
      return 0
    }
  }

  async #tryItem(page: Page, at: number, { item, giveBack: first }: Place): Promise<ItemResult> {
    const { work, delivery, progress, gate } = page
    const { job, lease } = delivery
    const { context, pace, random = Math.random } = this.#options
    const flow: ItemFlow = {
      moved: (bytes) => {
        progress.moved(at, bytes)
        this.#save(page)
        return gate.flow(bytes, lease.signal)
      },
    }
    let giveBack = first
    let pauseMs = 0
    for (let tries = 1; ; tries++) {
      try {
        lease.check()
        progress.begin(at)
        return await work.apply(context, { job, item, lease, flow })
      } catch (error) {
        if (!mayPass(error) || tries >= triesOf(error)) throw error
        pauseMs = itemPauseMs(tries, error, random)
      } finally {
        // Who waits for another try has no place: others may have one.
        giveBack()
      }
      await context.clock.sleep(pauseMs, lease.signal)
      giveBack = await pace.acquire(lease.signal)
    }
  }

  #save({ delivery, progress }: Page): void {
    const now = this.#options.context.clock.monotonic()
    if (now - (this.#savedAt.get(delivery) ?? Number.NEGATIVE_INFINITY) < SAVE_MS) return
    this.#savedAt.set(delivery, now)
    delivery.save(progress.outcome())
  }

  readonly #savedAt = new WeakMap<PageDelivery, number>()

  #workOf(job: JobRecord): KindWork {
    const work = this.#works.get(job.kind)
    if (work !== undefined) return work
    throw new Failure('not-implemented', `this node does not know jobs of kind ${job.kind}`)
  }
}

/** What concerns more than one item: a store that is away, a lease that is gone, the end of the job. */
function stopsPage(error: unknown): boolean {
  return isRefusedByCircuit(error) || isFailure(error, 'job-lease-lost', ...ENDS_JOB)
}

/** Where the same may go well in a moment. */
function mayPass(error: unknown): error is Failure {
  return isFailure(error) && error.retryable && !stopsPage(error)
}

function triesOf(error: Failure): number {
  return isFailure(error, ...WAITS_FOR_TURN) ? ITEM_TURNS_MAX : ITEM_TRIES_MAX
}

/** What users are told of a failure: never the text of an error that is none of the catalogue. */
function reasonOf(error: unknown): { readonly code: FailureCode; readonly message: string } {
  if (isFailure(error)) return { code: error.code, message: error.message }
  return { code: 'internal', message: 'the node failed unexpectedly; its log tells more' }
}
