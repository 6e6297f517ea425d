import type { Clock } from '@forebay/base/clock'
import { type JobWorker, PAGE_ATTEMPTS_MAX } from '../engine.ts'
import type { JobPage, JobRecord, PageOutcome } from '../job.ts'
import { checkedOutcome, failRest, isWhole, NOTHING_SETTLED, retryPauseMs } from '../outcome.ts'
import { tooManyFailed } from '../record-change.ts'
import { asFields, asText, decodeItems, decodeSaved, encodeSaved } from './codec.ts'
import type { HeldLease } from './held-lease.ts'
import type { LeaseDesk } from './lease-desk.ts'
import type { Outbox } from './outbox.ts'
import type { RedisJobs } from './redis-jobs.ts'

/** How often what a page settled is told to Redis. */
const SAVE_EVERY_MS = 1000

/** The name of one delivery. */
export interface PageName {
  readonly jobId: string
  readonly attempt: string
  readonly number: string
  readonly delivery: string
}

/** One delivery of a page. */
interface Delivery {
  readonly lease: HeldLease
  readonly job: JobRecord
  readonly page: JobPage
  readonly saved: PageOutcome | undefined
  /** Deliveries in a row that threw. */
  readonly tries: number
}

/** Has pages done, and records what became of them. */
export class PageDesk {
  readonly #jobs: RedisJobs
  readonly #outbox: Outbox
  readonly #leases: LeaseDesk
  readonly #clock: Clock
  readonly #worker: JobWorker
  /** What is being done, by page: nothing is taken before the one before it has come back. */
  readonly #under = new Map<string, Promise<void>>()

  constructor(options: {
    readonly jobs: RedisJobs
    readonly outbox: Outbox
    readonly leases: LeaseDesk
    readonly clock: Clock
    readonly worker: JobWorker
  }) {
    this.#jobs = options.jobs
    this.#outbox = options.outbox
    this.#leases = options.leases
    this.#clock = options.clock
    this.#worker = options.worker
  }

  async deliver(name: PageName): Promise<void> {
    const key = `${name.jobId}.${name.attempt}.${name.number}`
    const before = this.#under.get(key)
    const turn = (before ?? Promise.resolve()).then(() => this.#deliver(name))
    const quiet = turn.catch(() => undefined)
    this.#under.set(key, quiet)
    try {
      await turn
    } finally {
      if (this.#under.get(key) === quiet) this.#under.delete(key)
    }
  }

  async #deliver(name: PageName): Promise<void> {
    const { jobId, number, delivery } = name
    const taken = await this.#leases.take('take', jobId, [number, delivery])
    if (taken === undefined) return
    const { lease } = taken
    try {
      await this.#work(await this.#decode(name, { ...taken }))
    } finally {
      this.#leases.drop(lease)
    }
  }

  async #decode(
    { jobId, number }: PageName,
    { lease, parts }: { readonly lease: HeldLease; readonly parts: readonly unknown[] },
  ): Promise<Delivery> {
    const [fields, items, saved, failures, attempt, owner, tries] = parts
    const page: JobPage = {
      jobId,
      number: Number(number),
      attempt: Number(attempt),
      owner: asText(owner),
      items: decodeItems(jobId, asText(items)),
    }
    const texts = { saved: asText(saved), failures: asText(failures) }
    return {
      lease,
      job: await this.#jobs.decode(jobId, asFields(fields)),
      page,
      saved: decodeSaved(jobId, texts),
      tries: Number(tries),
    }
  }

  async #work(delivery: Delivery): Promise<void> {
    const { lease, job, page, saved } = delivery
    const saver = new Saver(saved, (outcome) => this.#settle(delivery, outcome, 'so far'))
    const ticking = this.#saveNowAndThen(saver, lease)
    let failure: unknown
    try {
      const save = (outcome: PageOutcome): void => saver.put(checkedOutcome(page, outcome))
      const outcome = await this.#worker.apply({ job, page, saved, lease, save })
      saver.put(checkedOutcome(page, outcome))
    } catch (error) {
      failure = error
    } finally {
      ticking.abort('the page has come back')
    }
    await saver.idle()
    await this.#conclude({ delivery, saver, failure })
  }

  async #conclude(end: {
    readonly delivery: Delivery
    readonly saver: Saver
    readonly failure: unknown
  }): Promise<void> {
    const { delivery, saver, failure } = end
    const { page, lease } = delivery
    const { latest } = saver
    if (isWhole(page, latest)) return this.#settle(delivery, latest, 'finally')
    const tries = lease.isOver ? delivery.tries : delivery.tries + 1
    if (tries >= PAGE_ATTEMPTS_MAX) {
      const error = failure ?? new Error('the page came back undone')
      return this.#settle(delivery, failRest(page, latest, error), 'finally')
    }
    await saver.now()
    const pauseMs = lease.isOver ? 0 : retryPauseMs(tries, failure)
    const args = [page.number, lease.token, pauseMs, tries]
    const answer = await this.#leases.record('return', page.jobId, args)
    await this.#outbox.send(answer?.send ?? [])
  }

  async #settle(
    { page, lease, job }: Delivery,
    outcome: PageOutcome,
    when: 'so far' | 'finally',
  ): Promise<void> {
    const { done, skipped, failures, bytes } = outcome
    const answer = await this.#leases.record('settle', page.jobId, [
      page.number,
      lease.token,
      when === 'finally' ? 1 : 0,
      ...[done, skipped, failures.length, bytes],
      // Of a page that is done nothing but the counts is kept.
      when === 'finally' ? '' : encodeSaved(outcome),
      failures.length === 0 ? '' : JSON.stringify(failures),
      tooManyFailed(failuresMax(job)),
      when === 'finally' ? (outcome.endsJob ?? '') : '',
    ])
    await this.#outbox.send(answer?.send ?? [])
  }

  #saveNowAndThen(saver: Saver, lease: HeldLease): AbortController {
    const ended = new AbortController()
    const loop = async (): Promise<void> => {
      while (!lease.isOver) {
        await this.#clock.sleep(SAVE_EVERY_MS, ended.signal)
        await saver.now()
      }
    }
    // It ends by its signal; what could not be saved is saved with the end of the page.
    loop().catch(() => undefined)
    return ended
  }
}

/** Failures of items that one job may have: what Redis has to keep of it stays bounded. */
export const FAILURES_MAX = 1_000_000

/** More failures than this end the job. */
export function failuresMax({ limits }: Pick<JobRecord, 'limits'>): number {
  return Math.min(FAILURES_MAX, limits.failuresMax ?? FAILURES_MAX)
}

/** The newest outcome of a page, and whether it was told. */
class Saver {
  latest: PageOutcome
  #told: PageOutcome
  readonly #tell: (outcome: PageOutcome) => Promise<void>
  #telling: Promise<void> = Promise.resolve()

  constructor(saved: PageOutcome | undefined, tell: (outcome: PageOutcome) => Promise<void>) {
    this.latest = saved ?? NOTHING_SETTLED
    this.#told = this.latest
    this.#tell = tell
  }

  put(outcome: PageOutcome): void {
    this.latest = outcome
  }

  /** Tells the newest where it was not told. */
  now(): Promise<void> {
    this.#telling = this.#telling.then(async () => {
      const { latest } = this
      if (latest === this.#told) return
      await this.#tell(latest)
      this.#told = latest
    })
    return this.#telling
  }

  idle(): Promise<void> {
    return this.#telling
  }
}
