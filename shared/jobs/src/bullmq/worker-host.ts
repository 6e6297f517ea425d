import type { Clock } from '@forebay/base/clock'
import { DelayedError, type Job, Worker } from 'bullmq'
import type { JobWorker } from '../engine.ts'
import { ControlDesk } from './control-desk.ts'
import { LeaseDesk } from './lease-desk.ts'
import { EpochChanged, type RedisClient } from './link.ts'
import type { Outbox } from './outbox.ts'
import { PageDesk } from './page-desk.ts'
import { isDamage, type RedisJobs } from './redis-jobs.ts'

/** Steps of lists and ends that are under way at once, of all jobs. */
const STEPS_AT_ONCE = 8

/** How often BullMQ may find that a worker died with the same delivery: there is no bound. */
const STALLED_COUNT_MAX = 1_000_000

/** Seconds that one request for work waits. */
const DRAIN_DELAY_SECONDS = 5

/** How long `close` waits for what is under way to notice, milliseconds. */
const CLOSE_WAIT_MS = 10_000

/** How long BullMQ gets to say goodbye to Redis, milliseconds. */
const GOODBYE_MS = 2000

/** Pause before a delivery is tried again that could not begin. */
const PUT_BACK_MS = 500

/** @param name as the scripts wrote it */
type Deliver = (name: string) => Promise<void>

/** Takes deliveries out of BullMQ's queues: pages of one owner, and steps of any job. */
export class WorkerHost {
  readonly leases: LeaseDesk
  /** Names of the queues that it takes from. */
  readonly queues: readonly string[]
  readonly #clock: Clock
  readonly #client: RedisClient
  readonly #workers: readonly Worker[]
  readonly #under = new Set<Promise<unknown>>()
  readonly #onTrouble: (error: unknown) => void

  constructor(options: {
    readonly jobs: RedisJobs
    readonly outbox: Outbox
    readonly clock: Clock
    readonly leaseMs: number
    readonly prefix: string
    readonly worker: JobWorker
    readonly onTrouble: (error: unknown) => void
  }) {
    const { jobs, worker, leaseMs } = options
    this.#clock = options.clock

    this.#onTrouble = options.onTrouble
    this.leases = new LeaseDesk(options)
    this.queues = [`pages-${worker.owner}`, 'control']
    this.#client = jobs.link.connect()
    const pages = new PageDesk({ ...options, leases: this.leases })
    const control = new ControlDesk({ ...options, leases: this.leases })
    const common = {
      connection: this.#client,
      prefix: `${options.prefix}:queue`,
      lockDuration: leaseMs,
      lockRenewTime: leaseMs / 4,
      stalledInterval: leaseMs / 2,
      maxStalledCount: STALLED_COUNT_MAX,
      drainDelay: DRAIN_DELAY_SECONDS,
      skipVersionCheck: true,
      removeOnComplete: { count: 0 },
      removeOnFail: { count: 0 },
    }
    const run = (deliver: Deliver) => (job: Job, token?: string) =>
      this.#track(job, token ?? '', deliver)
    this.#workers = [
      new Worker(
        `pages-${worker.owner}`,
        run((name) => deliverPage(pages, name)),
        {
          ...common,
          concurrency: worker.pagesAtOnce,
        },
      ),
      new Worker(
        'control',
        run((name) => deliverControl(control, name)),
        {
          ...common,
          concurrency: STEPS_AT_ONCE,
        },
      ),
    ]
    for (const each of this.#workers) each.on('error', this.#onTrouble)
  }

  async close(): Promise<void> {
    this.leases.close('the engine is closed')
    await this.#within(CLOSE_WAIT_MS, Promise.allSettled(this.#under))
    await this.#within(GOODBYE_MS, Promise.all(this.#workers.map((each) => each.close())))
    this.kill()
  }

  kill(): void {
    this.leases.close('the engine is closed')
    for (const worker of this.#workers) {
      worker.close(true).catch(this.#onTrouble)
      worker.disconnect().catch(this.#onTrouble)
    }
    this.#client.disconnect()
  }

  /**
   * A delivery never fails for BullMQ: what became of it stands in our own keys. One that could not even
   * begin, or whose end could not be told, goes back into its queue.
   */
  async #track(job: Job, token: string, deliver: Deliver): Promise<void> {
    const name = job.id ?? ''
    const turn = deliver(name)
    const quiet = turn.catch(() => undefined)
    this.#under.add(quiet)
    try {
      await turn
    } catch (error) {
      if (error instanceof EpochChanged) return
      this.#onTrouble(error)
      if (isDamage(error) && error instanceof Error) {
        await this.leases.record('spoilt', name.slice(0, name.indexOf('.')), [error.message, ''])
        return
      }
      await this.#putBack(job, token)
      throw new DelayedError()
    } finally {
      this.#under.delete(quiet)
    }
  }

  async #putBack(job: Job, token: string): Promise<void> {
    for (;;) {
      try {
        return await job.moveToDelayed(this.#clock.now() + PUT_BACK_MS, token)
      } catch (error) {
        // Nobody holds it any more: BullMQ finds that out by itself, and delivers it again.
        if (this.leases.closing.aborted) return new Promise<never>(() => undefined)
        this.#onTrouble(error)
      }
      await this.#clock.sleep(PUT_BACK_MS)
    }
  }

  async #within(ms: number, work: Promise<unknown>): Promise<void> {
    const enough = new AbortController()
    const late = this.#clock.sleep(ms, enough.signal).catch(() => undefined)
    await Promise.race([work.catch(this.#onTrouble), late])
    enough.abort()
  }
}

async function deliverPage(desk: PageDesk, name: string): Promise<void> {
  const [jobId, attempt, number, delivery] = name.split('.')
  if (jobId === undefined || attempt === undefined) return
  if (number === undefined || delivery === undefined) return
  await desk.deliver({ jobId, attempt, number, delivery })
}

async function deliverControl(desk: ControlDesk, name: string): Promise<void> {
  const [jobId, kind, seq] = name.split('.')
  if (jobId === undefined || seq === undefined || (kind !== 'l' && kind !== 'e')) return
  await desk.deliver({ jobId, kind, seq })
}
