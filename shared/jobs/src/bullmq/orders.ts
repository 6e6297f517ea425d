import type { Clock } from '@forebay/base/clock'
import { Failure, isFailure } from '@forebay/base/failure'
import { newNodeId } from '@forebay/base/ids'
import type { JobOrder, JobPriority, JobRecord } from '../job.ts'
import { newRecord } from '../record-change.ts'
import { asList, encodeOrder } from './codec.ts'
import type { Ledger } from './ledger.ts'
import type { Outbox } from './outbox.ts'
import { failuresMax } from './page-desk.ts'
import type { RedisJobs } from './redis-jobs.ts'
import type { Replicas } from './replicas.ts'
import { JOBS_GOING_MAX } from './scripts.ts'

/** Orders that are remembered to be taken back, should they have come. */
const WITHDRAWN_MAX = 10_000

/** BullMQ's priorities: the lower goes first. */
const PRIORITIES: Readonly<Record<JobPriority, number>> = { high: 1, normal: 2, low: 3 }

export interface OrdersOptions {
  readonly jobs: RedisJobs
  readonly ledger: Ledger
  readonly replicas: Replicas
  readonly outbox: Outbox
  readonly clock: Clock
  /** Runs something on the Redis that is there. */
  call<T>(run: () => Promise<T>): Promise<T>
  /** @throws Failure `job-not-found` */
  read(id: string): Promise<JobRecord>
  /** What became of an order should be looked at. */
  onDone(id: string): void
}

/**
 * Gives orders to Redis, so that an error means that there is no job, or one that the same id finds: the
 * ledger is written before, the order is repeated while nobody knows whether it came, and one that nobody
 * can ask for again is taken back.
 */
export class Orders {
  readonly #options: OrdersOptions
  /** Another Redis has not lost these. */
  readonly #underWay = new Set<string>()
  /** Answered with an error, and may have come all the same. */
  readonly #withdrawn = new Set<string>()

  constructor(options: OrdersOptions) {
    this.#options = options
  }

  isUnderWay(id: string): boolean {
    return this.#underWay.has(id)
  }

  async submit(order: JobOrder): Promise<JobRecord> {
    const { clock, ledger, call, onDone } = this.#options
    const id = order.id ?? newNodeId()
    const record = newRecord(order, { id, nowMs: clock.now() })
    this.#underWay.add(id)
    try {
      return await call(() => this.#submit(record))
    } catch (error) {
      ledger.drop(id)
      const isDoubtful = isFailure(error, 'job-engine-unavailable')
      if (isDoubtful && order.id === undefined && this.#withdrawn.size < WITHDRAWN_MAX) {
        this.#withdrawn.add(id)
      }
      throw error
    } finally {
      this.#underWay.delete(id)
      onDone(id)
    }
  }

  /** Ends what was answered with an error and came all the same. */
  async takeBack(): Promise<void> {
    for (const id of this.#withdrawn) {
      const reason = 'its order was answered with an error: Redis did not answer in time'
      await this.#options.jobs.ask('abort', id, [reason])
      this.#withdrawn.delete(id)
    }
  }

  async #submit(record: JobRecord): Promise<JobRecord> {
    const { jobs, replicas, outbox, read } = this.#options
    const { id, priority } = record
    await this.#note(record)
    const args = [encodeOrder(record), PRIORITIES[priority], failuresMax(record)]
    const send = await jobs.run('submit', id, args)
    if (send === 'full') {
      throw new Failure('slow-down', `${JOBS_GOING_MAX} jobs wait already`, {
        hint: 'Wait until some have ended, or abort some.',
      })
    }
    await replicas.confirm()
    await outbox.send(asList(send))
    return read(id)
  }

  /** An order that the ledger cannot take is not given. */
  async #note(record: JobRecord): Promise<void> {
    const { ledger } = this.#options
    ledger.note(record)
    try {
      await ledger.flush()
    } catch (cause) {
      throw new Failure('job-engine-unavailable', 'the ledger of jobs cannot be written', { cause })
    }
  }
}
