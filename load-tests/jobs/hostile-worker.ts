import { Failure } from '@forebay/base/failure'
import type { JobWorker, Lease, ListedStep, ListStep, PageDelivery } from '@forebay/jobs/engine'
import type { JsonObject, PageOutcome } from '@forebay/jobs/job'
import type {
  CopyRequest,
  DeleteRequest,
  HeadAnswer,
  ReadRequest,
  WriteAnswer,
} from '@forebay/peer/target-port'
import type { ObjectContext } from '@forebay/target/objects/context'
import { Target } from '@forebay/target/objects/target'
import type { Random } from '../faults/random.ts'

/** Longest stall before an operation of a holder that should be gone, ms. */
const STALL_MS_MAX = 60

/** Deliveries of one page that fail after all of it was done. */
const FAILURES_MAX = 2

/** A target whose caller stands still, again and again, between what it saw and what it does. */
export class StallingTarget extends Target {
  readonly #random: Random

  constructor(context: ObjectContext, random: Random) {
    super(context)
    this.#random = random
  }

  override async head(request: ReadRequest): Promise<HeadAnswer> {
    await this.#stall()
    const answer = await super.head(request)
    await this.#stall()
    return answer
  }

  override async delete(request: DeleteRequest): ReturnType<Target['delete']> {
    await this.#stall()
    return super.delete(request)
  }

  override async copy(request: CopyRequest): Promise<WriteAnswer> {
    await this.#stall()
    return super.copy(request)
  }

  #stall(): Promise<void> {
    return pause(this.#random.below(STALL_MS_MAX))
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/**
 * Delivers each page more often than an engine does: to holders that stand still and believe in their
 * lease long after others did their work, and again after everything of it was done.
 */
export class HostileWorker implements JobWorker {
  readonly owner: string
  readonly pagesAtOnce: number
  readonly #worker: JobWorker
  readonly #staller: JobWorker
  readonly #random: Random
  readonly #failures = new Map<string, number>()
  /** By job: the deliveries to those who stand still. */
  readonly #ghosts = new Map<string, Promise<unknown>[]>()
  /** Deliveries by holders that stood still. */
  stalledCount = 0
  /** Deliveries that failed after all of it was done. */
  repeatedCount = 0

  /** @param staller does the work of those who stand still */
  constructor(worker: JobWorker, staller: JobWorker, random: Random) {
    this.owner = worker.owner
    this.pagesAtOnce = worker.pagesAtOnce
    this.#worker = worker
    this.#staller = staller
    this.#random = random
  }

  /** Now and then the list is begun anew: what comes later in it is newer. */
  async list(step: ListStep): Promise<ListedStep> {
    if (this.#random.below(4) === 0) {
      await this.#worker.list(step)
      await pause(this.#random.below(30))
    }
    return this.#worker.list(step)
  }

  async apply(delivery: PageDelivery): Promise<PageOutcome> {
    for (let ghosts = this.#random.below(3); ghosts > 0; ghosts--) this.#haunt(delivery)
    await pause(this.#random.below(30))
    const name = `${delivery.job.id}/${delivery.page.number}`
    const failures = this.#failures.get(name) ?? 0
    if (failures >= FAILURES_MAX || this.#random.below(3) > 0) return this.#worker.apply(delivery)
    this.#failures.set(name, failures + 1)
    this.repeatedCount += 1
    await this.#worker.apply({ ...delivery, saved: undefined, save: () => undefined })
    throw new Failure('unavailable', 'the outcome of the page was lost')
  }

  end(step: Parameters<JobWorker['end']>[0]): Promise<JsonObject | undefined> {
    return this.#worker.end(step)
  }

  /** Waits for everybody who still works on a job that has ended. */
  async rest(jobId: string): Promise<void> {
    await Promise.all(this.#ghosts.get(jobId) ?? [])
    this.#ghosts.delete(jobId)
  }

  #haunt(delivery: PageDelivery): void {
    this.stalledCount += 1
    const lease: Lease = { signal: new AbortController().signal, check: () => undefined }
    const late = { ...delivery, lease, saved: undefined, save: () => undefined }
    const ghost = pause(this.#random.below(4 * STALL_MS_MAX)).then(() => this.#staller.apply(late))
    const { id } = delivery.job
    this.#ghosts.set(id, [...(this.#ghosts.get(id) ?? []), ghost])
  }
}
